"""Pictures in a chat, and models that cannot see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import InvalidParameters
from shared.tables import Model
from shared.vocabulary import Capability, Format


def check_sight(name: str, model: Model, body: Mapping[str, Any]) -> None:
    """Raises InvalidParameters when a model that is known not to see is shown a picture.

    Its engine would say so too, but only once it is loaded. `echo` looks away.
    """
    if not model.capabilities or Capability.VISION in model.capabilities or model.format == Format.ECHO:
        return
    for place, message in enumerate(body.get("messages") or ()):
        content = message.get("content")
        if isinstance(content, list) and any(part.get("type") == "image_url" for part in content):
            raise InvalidParameters(
                f"{name} cannot see the image of message {place}",
                f"it can {', '.join(model.capabilities)}; a GGUF model sees with the mmproj file that lies beside it",
                "choose a model that has `vision` among its capabilities: cidermill models ls",
                field=f"messages.{place}.content",
            )
