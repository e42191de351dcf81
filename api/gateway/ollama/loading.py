"""Requests that ask for nothing: they load the model, or with a `keep_alive` of 0 unload it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.deps import FrontDoor, front_door
from api.gateway import model_names
from api.gateway.charge import charged
from api.gateway.exchange import Exchange
from api.gateway.ollama.answer import LINES, moment
from api.gateway.seats import Seats
from api.leaving import ClientGone, while_connected
from shared.runs import service


class Loader:
    """Carries out such a request."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._door = front_door(request)
        self._seats: Seats = request.app.state.seats

    async def carry(self, exchange: Exchange, said: Mapping[str, Any]) -> Response:
        """Answers `said` and what was done, once it is done. Raises what finding a run raises."""
        return await charged(self._request, exchange, lambda _, measured: self._carry(measured, said))

    async def load(self, exchange: Exchange) -> None:
        """Wait until the model is loaded, at nobody's expense. Raises what finding a run raises."""
        async for _ in self._seats.find(exchange):
            pass  # The last one is the seat, which nobody takes: the run's keep-alive begins.

    async def _carry(self, exchange: Exchange, said: Mapping[str, Any]) -> Response:
        if exchange.keep_alive == 0:
            await run_in_threadpool(_unload, self._door, exchange.model)
            return _answer(exchange, {**said, "done": True, "done_reason": "unload"})
        try:
            await while_connected(self._request.receive, self.load(exchange))
        except ClientGone:
            return Response(status_code=499)
        return _answer(exchange, {**said, "done": True, "done_reason": "load"})


def _unload(door: FrontDoor, name: str) -> None:
    with door.write(wake=True) as session:
        service.unload(session, model_names.find(session, name, door.settings.default_model).model.id)


def _answer(exchange: Exchange, said: Mapping[str, Any]) -> Response:
    line = {"model": exchange.model, "created_at": moment(), **said}
    streamed = exchange.writer is not None
    return Response(json.dumps(line) + "\n" * streamed, media_type=LINES if streamed else "application/json")
