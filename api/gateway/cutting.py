"""Cuts texts to the context of the runs that could embed them, with the tokenizer of an engine.

Only llama.cpp has a tokenizer to ask. A text that is cut becomes the ids of its first tokens, with what the tokenizer
puts around a text, such as the mark at the end that some models embed by.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import closing
from http import HTTPStatus

from api.gateway.engine_client import EngineClient
from api.gateway.routing import Candidate
from api.gateway.seats import pass_of

_PATH = "/tokenize"
#: Seconds for an engine to read a text; it waits for no slot.
_PATIENCE = 30.0
#: Tokens that a tokenizer puts around a text, at most. Of the text itself no token is less than a byte.
_AROUND = 2

Input = str | list[int]


async def cut(runs: Sequence[Candidate], texts: Sequence[str], context: int | None) -> list[Input]:
    """What does not fit into the smallest of the runs, nor into `context` tokens, is cut; all else stays as it is."""
    known = [run for run in runs if run.ready and run.context and run.reach is not None]
    limit = min((*(run.context for run in known), *((context,) if context else ())), default=0)
    if not known or not any(_may_be_long(text, limit) for text in texts):
        return list(texts)
    with closing(EngineClient()) as engines:
        return [await _cut(engines, known[0], text, limit) if _may_be_long(text, limit) else text for text in texts]


def _may_be_long(text: str, limit: int) -> bool:
    return len(text.encode(errors="replace")) + _AROUND > limit


async def _cut(engines: EngineClient, run: Candidate, text: str, limit: int) -> Input:
    try:
        async with asyncio.timeout(_PATIENCE):
            whole = await _tokens(engines, run, text, around=True)
            if len(whole) <= limit:
                return text
            own = await _tokens(engines, run, text, around=False)
    except (OSError, ValueError):
        # An engine that has no tokenizer to ask, or that is gone, says itself what it thinks of the text.
        return text
    return shortened(whole, own, limit)


def shortened(whole: Sequence[int], own: Sequence[int], limit: int) -> list[int]:
    """The first tokens of a text's own, and all that stands around them in the whole."""
    # Where it can begin at all: each place costs a look at all of its tokens.
    places = range(len(whole) - len(own) + 1)
    begin = next((place for place in places if list(whole[place : place + len(own)]) == list(own)), 0)
    before, after = whole[:begin], whole[begin + len(own) :]
    return [*before, *own[: max(limit - len(before) - len(after), 1)], *after]


async def _tokens(engines: EngineClient, run: Candidate, text: str, *, around: bool) -> list[int]:
    """Raises OSError when the engine does not answer, ValueError when it does not know what is asked."""
    assert run.reach is not None
    headers = {"Content-Type": "application/json", **pass_of(run.reach, run.id, run.generation)}
    asked = json.dumps({"content": text, "add_special": around}).encode()
    async with engines.post(run.reach.url + _PATH, asked, headers) as reply:
        said = await reply.read()
    found = json.loads(said).get("tokens") if reply.status == HTTPStatus.OK else None
    if not isinstance(found, list):
        raise ValueError("no tokens")
    return found
