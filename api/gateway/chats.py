"""What chats of all dialects have in common: made for engines, and their answers mended for clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from api.gateway import lone_tokens
from api.gateway.exchange import Exchange, Said, Writer
from api.gateway.forced_call import ForcedCall
from api.gateway.history import without_old_thoughts
from api.gateway.lone_tokens import LoneTokens
from api.gateway.mending import Mend, MendedWriter
from api.gateway.reading import want
from api.gateway.thoughts_apart import ThoughtsApart
from api.gateway.told_calls import ToldCalls
from api.gateway.tool_choice import decided
from api.gateway.well_formed import well_formed


def engine_body(body: dict[str, Any]) -> dict[str, Any]:
    """The request of a chat as engines understand it. Raises InvalidParameters."""
    return _prepared(body)[0]


def chat(exchange: Exchange, *, thoughts: bool = True) -> Exchange:
    """A dialect's chat with all that dialects do not do themselves; `thoughts` false leaves them out of the answer.

    Raises InvalidParameters.
    """
    body, forced = _prepared(exchange.body)
    choices = want(body, "n", int) or 1
    if alone := lone_tokens.are_asked(body):
        body = lone_tokens.asked(body)

    def mends() -> list[Mend]:
        apart = ThoughtsApart(keep=thoughts, choices=choices, beginning=exchange.beginning)
        return [apart, *([ForcedCall()] if forced else ()), ToldCalls(), *([LoneTokens()] if alone else ())]

    return replace(exchange, body=body, whole=_whole(exchange, mends), writer=_writer(exchange.writer, mends))


def _prepared(body: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    body, forced = decided(well_formed(body))
    return body | {"messages": without_old_thoughts(body.get("messages") or [])}, forced


def _whole(exchange: Exchange, mends: Callable[[], list[Mend]]) -> Callable[[dict[str, Any]], Said | bytes]:
    def whole(said: dict[str, Any]) -> Said | bytes:
        for mend in mends():
            said = mend.whole(said)
        return exchange.whole(said)

    return whole


def _writer(writer: Callable[[], Writer] | None, mends: Callable[[], list[Mend]]) -> Callable[[], Writer] | None:
    return None if writer is None else lambda: MendedWriter(writer(), mends())
