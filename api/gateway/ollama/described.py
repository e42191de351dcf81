"""Models and runs as Ollama's lists show them.

Every name has a tag there, `latest` when it has none of its own; digests are 64 hex digits, since clients cut them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from shared.moments import rfc3339
from shared.tables import Model, Run
from shared.vocabulary import Capability, Format

#: What Ollama says of a model that stays for ever.
_FOR_EVER = "2318-01-01T00:00:00Z"
_PARAMETERS = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([mb])(?![a-z0-9])")
_QUANTISATION = re.compile(r"(?<![a-z0-9])(i?q\d(?:_[0-9a-z]+)*|bf16|f16|f32|mxfp4|nvfp4|\d-?bit)(?![a-z0-9])")
_SCALE = {"m": 10**6, "b": 10**9}


def tagged(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def chats_or_embeds(model: Model) -> bool:
    """Ollama knows no other models."""
    return bool({Capability.GENERATE, Capability.EMBED} & set(model.capabilities))


def listed(model: Model, name: str | None = None) -> dict[str, Any]:
    """One of `GET /api/tags`; `name`: as an alias calls it."""
    called = tagged(name or model.name)
    return {
        "name": called,
        "model": called,
        "modified_at": rfc3339(model.created_at),
        "size": model.size,
        "digest": digest(model),
        "details": details(model),
    }


def loaded(run: Run, model: Model, gpu: bool, now: float) -> dict[str, Any]:
    """One of `GET /api/ps`."""
    size = run.memory_held
    for_ever = run.pinned or run.keep_alive < 0
    return {
        **listed(model),
        "size": size,
        "size_vram": size if gpu else 0,
        "context_length": run.context,
        "expires_at": _FOR_EVER if for_ever else rfc3339((run.last_used_at or now) + run.keep_alive),
    }


def details(model: Model) -> dict[str, Any]:
    family = architecture(model)
    return {
        "parent_model": "",
        "format": str(model.format),
        "family": family,
        "families": [family],
        "parameter_size": _parameter_size(model),
        "quantization_level": _quantisation(model),
    }


def model_info(model: Model) -> dict[str, Any]:
    """What `POST /api/show` tells of the architecture, under the names that GGUF gives it."""
    family, shape = architecture(model), model.shape
    told: Mapping[str, Any] = {
        "context_length": model.context or shape.get("context"),
        "embedding_length": shape.get("hidden"),
        "block_count": shape.get("layers"),
        "attention.head_count": shape.get("query_heads"),
        "attention.head_count_kv": shape.get("kv_heads"),
        "vocab_size": shape.get("vocabulary"),
    }
    count = _parameters(model)
    general = {"general.architecture": family} | ({"general.parameter_count": count} if count else {})
    return general | {f"{family}.{name}": value for name, value in told.items() if value is not None}


def architecture(model: Model) -> str:
    return str(model.shape.get("architecture") or model.format)


def digest(model: Model) -> str:
    """Of its files; of its id while they were not read."""
    return model.digest or hashlib.sha256(model.id.encode()).hexdigest()


def _parameters(model: Model) -> int:
    """As its name tells; 0 when it does not."""
    found = _PARAMETERS.search(_said(model))
    return int(float(found[1]) * _SCALE[found[2]]) if found else 0


def _parameter_size(model: Model) -> str:
    found = _PARAMETERS.search(_said(model))
    return f"{found[1]}{found[2].upper()}" if found else ""


def _quantisation(model: Model) -> str:
    found = _QUANTISATION.search(_said(model))
    if found is None:
        return "" if model.format == Format.ECHO else "unknown"
    return found[1].upper()


def _said(model: Model) -> str:
    return f"{model.file or ''} {model.name} {model.repo}".lower()
