"""Nothing is fetched for a request: images, sounds and films come with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import InvalidParameters
from shared.remote_parts import remote_parts


def check_parts(body: Mapping[str, Any]) -> None:
    """Images, sounds and films must come with the request, as `data:` URLs. Raises InvalidParameters."""
    for place, kind in remote_parts(body.get("messages")):
        raise InvalidParameters(
            f"The {kind} of message {place} is an address",
            "nothing is fetched for a request: who asks could reach what is not theirs",
            f"send it in the request: a data: URL in {kind}",
            field=f"messages.{place}.content",
        )
