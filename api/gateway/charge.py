"""What one exchange costs its key: admitted within the key's limits, measured as it is answered, and counted."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api import request_id, shapes
from api.deps import FrontDoor
from api.energy import Stay
from api.errors import answer
from api.gateway import uncounted
from api.gateway.exchange import Exchange, Said, Writer
from api.gateway.pieces import Usage, usage_of
from api.grants import check_model
from api.quota_desk import Ticket
from api.sse import LiveResponse
from shared.calls import DONE, LEFT, Called, content_of
from shared.errors import CidermillError, Problem, QuotaExceeded
from shared.grants import capped
from shared.keys import Caller
from shared.quotas import Account, Standing
from shared.token_totals import TokenTotals
from shared.usage import Part, Spent

Carry = Callable[[Request, Exchange], Awaitable[Response]]


async def charged(request: Request, exchange: Exchange, carry: Carry) -> Response:
    """Carry out the exchange at its caller's expense; answers say how the caller's limits stand.

    Raises what `carry` does, and Forbidden for a model that the key may not use.
    """
    door: FrontDoor = request.app.state.door
    caller: Caller = request.state.caller
    if caller.models is not None:
        await run_in_threadpool(_check_model, door, caller, exchange.model)
    bill = _Bill(door, caller, exchange, request.url.path)
    try:
        bill.ticket = await door.meter.desk.admit(caller)
    except QuotaExceeded as error:
        bill.close(error.problem.code)
        refused = answer(request.url.path, error)
        refused.headers.update(_standing(request.url.path, caller, await door.meter.desk.standing(caller)))
        return refused
    try:
        response = await carry(request, bill.measured(exchange))
    except BaseException as error:
        bill.close(error.problem.code if isinstance(error, CidermillError) else type(error).__name__)
        raise
    response.headers.update(_standing(request.url.path, caller, bill.ticket.account))
    if isinstance(response, LiveResponse):
        response.when_closed(bill.close)
    else:
        bill.close()
    return response


@dataclass(slots=True)
class _Bill:
    """What one exchange has cost so far."""

    door: FrontDoor
    caller: Caller
    exchange: Exchange
    path: str
    request_id: str = field(default_factory=request_id.current)
    #: The caller's admission.
    ticket: Ticket | None = None
    #: How it ended, once it did.
    outcome: str = LEFT
    began: float = field(default_factory=time.monotonic)
    #: What the engine said at the end.
    told: Usage | None = None
    #: At engines.
    stays: list[Stay] = field(default_factory=list)
    #: Events that came: about as many as tokens, for a client that leaves before the end.
    events: int = 0

    def measured(self, exchange: Exchange) -> Exchange:
        """The same, watched, and no more urgent than its caller may be."""
        writer, priority = exchange.writer, capped(self.caller, exchange.priority)

        def whole(said: dict[str, Any]) -> Said | bytes:
            self.told = usage_of(said.get("usage")) or uncounted.taken(exchange, self.events, said)
            self.outcome = DONE
            return exchange.whole(said)

        watched = (lambda: _Watched(writer(), self)) if writer else None
        return replace(
            exchange, whole=whole, writer=watched, priority=priority, stayed=self.stays.append, heard=self.heard
        )

    def heard(self, pieces: int) -> None:
        self.events += pieces

    def close(self, outcome: str | None = None) -> None:
        """Count it, once it is over; an exchange that no engine answered costs a request and no usage."""
        used = self.told or uncounted.taken(self.exchange, self.events)
        seconds, model = time.monotonic() - self.began, self.exchange.model
        if self.ticket is not None:
            self.ticket.leave(used.prompt + used.completion)
        if self.told is not None or self.events:
            spent = Spent(1, used.prompt, used.cached, used.completion, used.audio, seconds)
            self.door.meter.count(Part(self.caller.id, model), spent)
            self.door.meter.energy.charge(Part(self.caller.id, model), self.stays)
        content = content_of(self.exchange.body) if self.door.settings.log_content else None
        self.door.meter.called(
            Called(
                self.request_id, self.caller.id, model, self.path, outcome or self.outcome, used.prompt, used.cached,
                used.completion, seconds, content,
            )
        )  # fmt: skip


class _Watched:
    """A writer that reads on the way how many tokens it took."""

    def __init__(self, writer: Writer, bill: _Bill) -> None:
        self.media_type = writer.media_type
        self._writer = writer
        self._bill = bill
        self.waiting = writer.waiting
        #: What the engine counted after each choice that ended.
        self._totals = TokenTotals(bill.exchange.choices)

    def feed(self, events: Sequence[bytes]) -> bytes:
        self._bill.events += len(events)
        for event in events:
            # Most events are a piece of text, and only looked at: in a text the name's quotes have backslashes.
            if b'"usage"' in event and b'"usage":null' not in event:
                self._bill.told = self._told(event) or self._bill.told
        return self._writer.feed(events)

    def end(self) -> bytes:
        self._bill.outcome = DONE
        return self._writer.end()

    def failed(self, problem: Problem, status: int) -> bytes:
        self._bill.outcome = problem.code
        return self._writer.failed(problem, status)

    def _told(self, event: bytes) -> Usage | None:
        try:
            said = self._totals.add(json.loads(event))
        except (ValueError, AttributeError):
            return None
        return usage_of(said) or None


def _check_model(door: FrontDoor, caller: Caller, name: str) -> None:
    with door.read() as session:
        check_model(session, caller, name, door.settings.default_model)


def _standing(path: str, caller: Caller, account: Account) -> Mapping[str, str]:
    """Headers that say how it stands, as the clients of this path read them."""
    moment = time.time()
    least: dict[str, Standing] = {}
    for standing in account.standings(caller.limits, moment):
        unit = standing.what.partition(" ")[0]
        if unit not in least or standing.left < least[unit].left:
            least[unit] = standing
    return shapes.of(path).limits(least, moment)
