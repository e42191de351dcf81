"""Parts of a chat that engines would fetch from an address: that could be one which only this machine reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.errors import InvalidParameters


def check_parts(body: Mapping[str, Any]) -> None:
    """Images, sounds and films must come with the request, as `data:` URLs. Raises InvalidParameters."""
    messages = body.get("messages")
    for place, message in enumerate(messages if isinstance(messages, list) else ()):
        for kind, url in _addresses(message):
            if url[:5].lower() != "data:":
                raise InvalidParameters(
                    f"The {kind} of message {place} is an address",
                    "nothing is fetched for a request: who asks could reach what is not theirs",
                    f"send it in the request: a data: URL in {kind}",
                    field=f"messages.{place}.content",
                )


def _addresses(message: object) -> Iterator[tuple[str, str]]:
    """Fields like `image_url` of the parts of a message, plain or as `{"url": …}`."""
    content = message.get("content") if isinstance(message, dict) else None
    for part in content if isinstance(content, list) else ():
        for name, value in part.items() if isinstance(part, dict) else ():
            if isinstance(name, str) and name.endswith("_url"):
                url = value.get("url") if isinstance(value, dict) else value
                yield name, url if isinstance(url, str) else ""
