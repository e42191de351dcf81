"""Pictures as chats bring them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: Of one picture: an engine holds all of them at once, several bytes each, however small the file is.
MOST_PIXELS = 36_000_000


def pictures(messages: Any) -> Iterator[Any]:
    """What each `image_url` of a chat holds; what is no chat has none."""
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") == "image_url":
                yield part.get("image_url")
