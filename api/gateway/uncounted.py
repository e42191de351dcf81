"""What an exchange took whose engine does not count: about, by what was said and how many pieces came."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from api.gateway import local_tokens, room
from api.gateway.exchange import Exchange
from api.gateway.pieces import Usage
from shared.requests import CHAT

#: What a text may be called in a message, or in a choice that has none.
_TEXTS = ("content", "text", "reasoning_content", "reasoning", "refusal")


def taken(exchange: Exchange, pieces: int, said: Mapping[str, Any] | None = None) -> Usage:
    """Of an answer that came in so many pieces, about as many as tokens, or all at once as `said`.

    Its prompt was read once the answer had begun. Nobody knows how long a recording is but who hears it.
    """
    if not pieces and said is None:
        return Usage()
    prompt = 0 if exchange.upload is not None else _prompt(exchange)
    return Usage(prompt=prompt, completion=pieces or sum(map(local_tokens.of_text, _texts(said or {}))))


def _prompt(exchange: Exchange) -> int:
    """All of several prompts, each a text or its tokens; of a chat what an engine reads of it."""
    body = exchange.body
    if exchange.path == CHAT:
        return local_tokens.estimate(body)
    asked = body.get("prompt", body.get("input"))
    if isinstance(asked, list) and not any(isinstance(part, int) for part in asked):
        return sum(room.guess({"prompt": part}) for part in asked)
    return room.guess(body)


def _texts(said: Mapping[str, Any]) -> Iterator[str]:
    for choice in said.get("choices") or ():
        message = choice.get("message") or choice
        yield from (text for name in _TEXTS if isinstance(text := message.get(name), str))
        for call in message.get("tool_calls") or ():
            yield json.dumps(call.get("function"), ensure_ascii=False)
