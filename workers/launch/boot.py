"""Launch plans of the engines that we start through a boot module of our own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from shared.errors import UnsupportedModel
from shared.runtimes import InstalledModel, RuntimeInfo, served_model
from shared.vocabulary import Capability

#: A run never downloads: what it loads is on disk before it starts.
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def boot_command(module: str, options: dict[str, Any]) -> tuple[str, ...]:
    """The command that runs `workers.runtimes.boot.{module}` with `options` as one JSON argument."""
    return (sys.executable, "-m", f"workers.runtimes.boot.{module}", json.dumps(options))


def installed(info: RuntimeInfo | None, engine: str) -> RuntimeInfo:
    """`info` of a runtime that is there. Raises UnsupportedModel when it is not installed."""
    if info is None:
        raise UnsupportedModel(
            f"{engine} is not installed on this host",
            "its libraries are not found",
            "install them (`pip install 'cidermill[llama,mlx,whisper]'`) or use another runtime or host",
        )
    return info


def check_model(info: RuntimeInfo, model: InstalledModel, *capabilities: Capability) -> Path:
    """The model's path. Raises UnsupportedModel unless its format, its abilities and its files suit the runtime."""
    if model.format not in info.formats:
        raise _unsuited(info, model, f"it loads {', '.join(info.formats)}; this model is {model.format}")
    if model.capabilities and not set(capabilities) & set(model.capabilities):
        raise _unsuited(info, model, f"it can {', '.join(capabilities)}; the model can {', '.join(model.capabilities)}")
    try:
        return served_model(model)
    except FileNotFoundError as error:
        raise UnsupportedModel(
            f"The files of {model.name} are gone",
            f"nothing is at {model.path}",
            f"install it again: `cidermill models pull {model.name}`",
        ) from error


def _unsuited(info: RuntimeInfo, model: InstalledModel, why: str) -> UnsupportedModel:
    return UnsupportedModel(f"{info.name} cannot load {model.name}", why, "choose another runtime for this model")
