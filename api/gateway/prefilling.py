"""Long prompts of people: read in chunks, so that short questions do not wait for them, and who leaves costs a step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any
from weakref import WeakValueDictionary

from api.gateway.engine_client import EngineClient
from api.gateway.seats import Seat
from shared.chunked_prefill import NOTHING, Part, Prefilled, RecentPrompts, chunks, worth_it
from shared.requests import COMPLETION


class _Turn(asyncio.Lock):
    """At a run: one chunk at a time, so that nobody waits for a chunk of each."""

    #: The run went away: who waits asks for the whole at once, else each would wait to find that out after the other.
    over = False


class Prefilling:
    """For one front door; `crowded` tells whether more ask a run than it has slots."""

    def __init__(self, engines: EngineClient, crowded: Callable[[Seat], bool]) -> None:
        self._engines, self._crowded = engines, crowded
        self._recent = RecentPrompts()
        #: Of runs whose prompts are read.
        self._turns: WeakValueDictionary[tuple[str, int], _Turn] = WeakValueDictionary()

    async def ahead(self, seat: Seat, path: str, body: Mapping[str, Any], size: int) -> Prefilled:
        """Have the prompt of a request of `size` bytes read but for its last step. Raises OSError."""
        if not worth_it(seat.prefill_step, size):
            return NOTHING
        run = seat.run_id, seat.generation
        turn = self._turns.setdefault(run, _Turn())
        known = partial(self._recent.known, run, seat.slots)
        talk, said = chunks(seat.prefill_step, seat.context, path, body, known), None
        while True:
            try:
                part = talk.send(said)
            except StopIteration as ended:
                prefilled: Prefilled = ended.value
                return prefilled
            # What is no chunk takes no slot, and short questions are asked for it too.
            said = await (self._in_turn(turn, seat, part) if part.path == COMPLETION else self._ask(seat, part))

    async def _in_turn(self, turn: _Turn, seat: Seat, part: Part) -> bytes | None:
        async with turn:
            try:
                return None if turn.over else await self._ask(seat, part)
            except OSError:
                turn.over = True
                self._turns.pop((seat.run_id, seat.generation), None)
                raise

    async def _ask(self, seat: Seat, part: Part) -> bytes | None:
        if self._crowded(seat):
            # Who waits for a slot would be given this one between two chunks.
            return None
        part.begins()
        headers = {"Content-Type": "application/json", **seat.headers()}
        async with self._engines.post(seat.reach.url + part.path, part.content, headers, seat.run_id) as reply:
            content = await reply.read()
            return content if reply.status == HTTPStatus.OK else None
