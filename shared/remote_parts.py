"""Parts of a chat that engines would fetch from an address: that could be one which only their machine reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def remote_parts(messages: Any) -> Iterator[tuple[int, str]]:
    """Which message of a chat has one, and in which field: images, sounds and films that are no `data:` URLs."""
    for place, message in enumerate(messages if isinstance(messages, list) else ()):
        for kind, url in _addresses(message):
            if url[:5].lower() != "data:":
                yield place, kind


def _addresses(message: object) -> Iterator[tuple[str, str]]:
    """Fields like `image_url` of the parts of a message, plain or as `{"url": …}`."""
    content = message.get("content") if isinstance(message, dict) else None
    for part in content if isinstance(content, list) else ():
        for name, value in part.items() if isinstance(part, dict) else ():
            if isinstance(name, str) and name.endswith("_url"):
                url = value.get("url") if isinstance(value, dict) else value
                yield name, url if isinstance(url, str) else ""
