"""What an engine streams, as its events come: errors are raised, and what only keeps the stream alive is left out."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import structlog

from api.gateway.engine_client import EngineReply
from api.gateway.engine_events import EngineEvents
from api.gateway.exchange import Exchange
from api.gateway.names import Names
from api.gateway.refusal import refusal
from shared.assembly import Assembly
from shared.errors import EngineFailed
from shared.requests import ASK_PROGRESS, CHAT, COMPLETION

#: Names of fields; in a text the quotes would have backslashes.
_ERROR, _PROGRESS = b'"error"', b'"prompt_progress"'
_FAILED = 500
#: What reading raises of chunks that are none: no JSON or too deep, no object, or one with fields of other types.
NONSENSE = (ValueError, TypeError, AttributeError, LookupError, RecursionError)

_log = structlog.get_logger(__name__)


async def heard(reply: EngineReply, names: Names, exchange: Exchange) -> AsyncGenerator[list[bytes], None]:
    """The JSON of chunks, all that came at once together. Raises what the engine says went wrong, and OSError.

    Some engines close the connection where their answer ends, and so does the system for one that was killed: a text
    that ends without a word of its end was broken off.
    """
    events, curious = EngineEvents(), bool(exchange.body.get(ASK_PROGRESS))

    def told(payloads: list[bytes]) -> list[bytes]:
        for payload in payloads:
            _check(payload)
        return [names.restore(payload) for payload in payloads if curious or _PROGRESS not in payload]

    async with aclosing(reply.pieces()) as pieces:
        async for data in pieces:
            yield told(events.feed(data))
    if not events.ended and exchange.path in (CHAT, COMPLETION):
        raise ConnectionAbortedError("its answer ended before it said why")


async def assembled(reply: EngineReply, names: Names, exchange: Exchange) -> dict[str, Any]:
    """The whole answer out of its chunks. Raises EngineFailed when there was none, and as `heard` does."""
    answer = await _put_together(reply, names, exchange)
    if not answer.get("choices"):
        raise EngineFailed("The engine said nothing", "its answer ended before it began", "see `cidermill runs logs`")
    return answer


async def _put_together(reply: EngineReply, names: Names, exchange: Exchange) -> dict[str, Any]:
    if reply.headers.get("content-type", "").startswith("application/json"):
        # It does not stream, and was asked for the same.
        _check(content := await reply.read())
        said: dict[str, Any] = json.loads(names.restore(content))
        return said
    assembly = Assembly(exchange.choices)
    async with aclosing(heard(reply, names, exchange)) as chunks:
        async for payloads in chunks:
            exchange.heard(len(payloads))
            for payload in payloads:
                assembly.add(json.loads(payload))
    return assembly.response()


def misread(error: Exception) -> EngineFailed:
    """What to tell of `NONSENSE`; the log gets the place where it was read."""
    _log.warning("an engine's answer cannot be read", exc_info=error)
    why, fix = "a piece of it is no part of an answer", "ask again; if it stays, see `cidermill runs logs`"
    return EngineFailed("The engine's answer cannot be read", why, fix)


def _check(payload: bytes) -> None:
    if _ERROR not in payload:
        return
    error = json.loads(payload).get("error")
    if error:
        code = error.get("code") if isinstance(error, dict) else None
        raise refusal(code if isinstance(code, int) else _FAILED, payload)
