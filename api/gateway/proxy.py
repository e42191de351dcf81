"""Carrying requests to engines, and their answers back as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import AsyncExitStack, aclosing
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.responses import Response

from api.gateway.client import ClientGone, while_connected
from api.gateway.defaults import filled
from api.gateway.engine_events import EngineEvents
from api.gateway.exchange import Exchange, Writer
from api.gateway.names import Names
from api.gateway.refusal import refusal, went_away
from api.gateway.seats import Seat, Seats, Waiting
from api.sse import LiveResponse
from shared.errors import CidermillError, Unavailable

_TIMEOUT = httpx2.Timeout(600.0, connect=5.0)
#: Seconds that a stream waits in silence, so that what fails at once fails with its own status.
_QUIET = 2.0
#: Seconds between signs of life while a run is being loaded.
_SIGN = 5.0


class Proxy:
    """One HTTP client for all engines."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
        self._http = httpx2.AsyncClient(timeout=_TIMEOUT, limits=limits, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def carry(self, request: Request, exchange: Exchange) -> Response:
        """Ask and answer; the engine stops when the client goes away. Raises CidermillError before anything is sent."""
        try:
            if exchange.writer is None:
                return await while_connected(request, self._whole(exchange))
            return await self._streamed(request, exchange, exchange.writer())
        except ClientGone:
            return Response(status_code=499)

    async def _whole(self, exchange: Exchange) -> Response:
        seat = await _last(self._seats.find(exchange))
        with self._seats.taken(seat):
            reply = await _reached(self._http.send(self._request(seat, exchange)))
        if reply.status_code != httpx2.codes.OK:
            raise refusal(reply.status_code, reply.content)
        said = exchange.whole(json.loads(Names(seat.endpoint.served_name, exchange.model).restore(reply.content)))
        content = said if isinstance(said, bytes) else json.dumps(said, ensure_ascii=False).encode(errors="replace")
        return Response(content, media_type=exchange.media_type)

    async def _streamed(self, request: Request, exchange: Exchange, writer: Writer) -> Response:
        """While a model loads, signs of life keep the connection open."""
        search = self._seats.find(exchange)
        seat = await while_connected(request, _within(search, _QUIET))
        if seat is None:
            return LiveResponse(self._after_loading(search, exchange, writer), writer.media_type)
        return await while_connected(request, self._begin(seat, exchange, writer))

    async def _begin(self, seat: Seat, exchange: Exchange, writer: Writer) -> Response:
        """The engine's own status decides, because nothing was sent yet."""
        async with AsyncExitStack() as stack:
            reply = await self._ask(seat, exchange, stack)
            return LiveResponse(_written(reply, seat, exchange, writer), writer.media_type, closing=stack.pop_all())

    async def _ask(self, seat: Seat, exchange: Exchange, stack: AsyncExitStack) -> httpx2.Response:
        """The engine's reply, open as long as `stack`. Raises what the engine refuses."""
        stack.enter_context(self._seats.taken(seat))
        reply = await _reached(self._http.send(self._request(seat, exchange), stream=True))
        stack.push_async_callback(reply.aclose)
        if reply.status_code != httpx2.codes.OK:
            raise refusal(reply.status_code, await reply.aread())
        return reply

    async def _after_loading(
        self, search: AsyncIterator[Seat | Waiting], exchange: Exchange, writer: Writer
    ) -> AsyncIterator[bytes]:
        """The status is sent: from here on what goes wrong is a part of the stream."""
        try:
            seat = None
            while seat is None:
                yield writer.waiting()
                seat = await _within(search, _SIGN)
            async with AsyncExitStack() as stack:
                reply = await self._ask(seat, exchange, stack)
                async with aclosing(_written(reply, seat, exchange, writer)) as pieces:
                    async for piece in pieces:
                        yield piece
        except CidermillError as error:
            yield writer.failed(error.problem, error.status)

    def _request(self, seat: Seat, exchange: Exchange) -> httpx2.Request:
        asked = filled(exchange.body, seat.defaults) | {"model": seat.endpoint.served_name}
        if exchange.writer is not None:
            # How many tokens it took is asked for always: who pays attention to it is the writer's business.
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        content = json.dumps(asked, ensure_ascii=False).encode(errors="replace")
        headers = {"Content-Type": "application/json"}
        return self._http.build_request("POST", seat.endpoint.url + exchange.path, content=content, headers=headers)


async def _written(
    reply: httpx2.Response, seat: Seat, exchange: Exchange, writer: Writer
) -> AsyncGenerator[bytes, None]:
    """The stream as the client reads it, a piece for each that came."""
    names, events = Names(seat.endpoint.served_name, exchange.model), EngineEvents()
    try:
        async for data in reply.aiter_bytes():
            if piece := writer.feed([names.restore(event) for event in events.feed(data)]):
                yield piece
        rest = writer.feed([names.restore(event) for event in events.flush()])
        yield rest + writer.end()
    except httpx2.TransportError as error:
        broken = went_away(error)
        yield writer.failed(broken.problem, broken.status)


async def _last(search: AsyncIterator[Seat | Waiting]) -> Seat:
    async for found in search:
        if isinstance(found, Seat):
            return found
    raise _nothing_found()


async def _within(search: AsyncIterator[Seat | Waiting], seconds: float) -> Seat | None:
    """The seat, or `None` when it still is not there after so many seconds; the search can go on."""
    deadline = asyncio.get_running_loop().time() + seconds
    async for found in search:
        if isinstance(found, Seat):
            return found
        if asyncio.get_running_loop().time() > deadline:
            return None
    raise _nothing_found()


async def _reached(sending: Coroutine[Any, Any, httpx2.Response]) -> httpx2.Response:
    try:
        return await sending
    except httpx2.TransportError as error:
        raise went_away(error) from error


def _nothing_found() -> Unavailable:
    return Unavailable("No run was found", "the search for one ended", "ask again")
