"""Models that cannot see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from shared.errors import InvalidParameters
from shared.pictures import pictures
from shared.vocabulary import Capability, Format


class Seer(Protocol):
    """A model, of the catalog or of a disk."""

    @property
    def format(self) -> str: ...

    @property
    def capabilities(self) -> Sequence[str]: ...


def check_sight(name: str, model: Seer, messages: Any) -> None:
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
