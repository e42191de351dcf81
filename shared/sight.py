"""Models that cannot see."""

from __future__ import annotations

from typing import Any

from shared.errors import InvalidParameters
from shared.pictures import pictures
from shared.runtimes import InstalledModel
from shared.tables import Model
from shared.vocabulary import Capability, Format


def check_sight(name: str, model: Model | InstalledModel, messages: Any) -> None:
    """Raises InvalidParameters when a chat shows a picture to a model that is known not to see.

    Its engine would say so too, but only once it is loaded. `echo` looks away.
    """
    if not model.capabilities or Capability.VISION in model.capabilities or model.format == Format.ECHO:
        return
    if any(True for _ in pictures(messages)):
        raise InvalidParameters(
            f"{name} cannot see, and the request shows a picture",
            f"it can {', '.join(model.capabilities)}; a GGUF model sees with the mmproj file that lies beside it",
            "choose a model that has `vision` among its capabilities: cidermill models ls",
        )
