"""Pictures as chats bring them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shared.picture_size import UnfitPicture, size

#: Of one picture, and of all that a request shows: an engine holds them at once, however small the files are.
MOST_PIXELS = 36_000_000
MOST_TOGETHER = 2 * MOST_PIXELS


def pictures(messages: Any) -> Iterator[Any]:
    """What each `image_url` of a chat holds; what is no chat has none."""
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") == "image_url":
                yield part.get("image_url")


def replaced(messages: Any, by: Callable[[Any], Any]) -> Any:
    """The same chat with `by(…)` for what each `image_url` holds; what is no chat stays."""
    return [_replaced(message, by) for message in messages] if isinstance(messages, list) else messages


def _replaced(message: Any, by: Callable[[Any], Any]) -> Any:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return message
    parts = [
        part | {"image_url": by(part.get("image_url"))}
        if isinstance(part, dict) and part.get("type") == "image_url"
        else part
        for part in content
    ]
    return message | {"content": parts}


def with_urls(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of a chat whose pictures engines can read: some clients write `image_url` as a plain text."""
    content = message.get("content")
    return {**message, "content": [with_url(part) for part in content]} if isinstance(content, list) else dict(message)


def with_url(part: Any) -> Any:
    """Such a part of a message; others stay."""
    if not isinstance(part, dict) or not isinstance(part.get("image_url"), str):
        return part
    return part | {"image_url": {"url": part["image_url"]}}


def check_pictures(messages: Any) -> None:
    """A few bytes of a file can be a picture that fills an engine's memory. Raises UnfitPicture."""
    together = 0
    for picture in pictures(messages):
        url = picture.get("url") if isinstance(picture, dict) else None
        if not isinstance(url, str):
            raise UnfitPicture("it has no url", "give image_url.url: a data: URL")
        width, height = size(url)
        if width * height > MOST_PIXELS:
            raise UnfitPicture(
                f"it has {width:,} x {height:,} pixels, and at most {MOST_PIXELS:,} are taken", "make it smaller"
            )
        together += width * height
    if together > MOST_TOGETHER:
        why = f"with the others it has {together:,} pixels, and a request at most {MOST_TOGETHER:,}"
        raise UnfitPicture(why, "make them smaller, or show fewer at once")
