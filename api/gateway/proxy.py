"""Passing a request on to an engine, and its answer back as it comes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, aclosing
from typing import Any, TypeVar

import httpx2
from starlette.requests import Request
from starlette.responses import Response

from api.errors import body as error_body
from api.gateway.seats import Seat, Seats, Waiting
from api.sse import KEEP_ALIVE, MEDIA_TYPE, LiveResponse, frame
from shared.errors import CidermillError, Unavailable
from shared.vocabulary import Capability

T = TypeVar("T")

_TIMEOUT = httpx2.Timeout(600.0, connect=5.0)
#: Seconds that a stream waits in silence, so that what fails at once fails with its own status.
_QUIET = 2.0
#: Seconds between comments while a run is being loaded.
_COMMENT = 5.0


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class Proxy:
    """One HTTP client for all engines of this machine."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
        self._http = httpx2.AsyncClient(timeout=_TIMEOUT, limits=limits, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def whole(self, request: Request, path: str, asked: dict[str, Any], capability: Capability) -> Response:
        """Ask and answer in one piece; the engine stops when the client goes away."""
        try:
            return await _while_connected(request, self._whole(path, asked, capability))
        except ClientGone:
            return Response(status_code=499)

    async def _whole(self, path: str, asked: dict[str, Any], capability: Capability) -> Response:
        seat = await _last(self._seats.find(asked["model"], capability))
        with self._seats.taken(seat):
            reply = await _reached(self._http.send(self._request(seat, path, asked)))
            content = _Names(seat, asked["model"]).restore(reply.content)
            return Response(content, reply.status_code, media_type=reply.headers.get("content-type"))

    async def streamed(self, request: Request, path: str, asked: dict[str, Any], capability: Capability) -> Response:
        """Ask and pass the answer on as it comes; while a model loads, comments keep the connection open."""
        search = self._seats.find(asked["model"], capability)
        try:
            seat = await _while_connected(request, _within(search, _QUIET))
            if seat is None:
                return LiveResponse(self._after_loading(search, path, asked), MEDIA_TYPE)
            return await _while_connected(request, self._begin(seat, path, asked))
        except ClientGone:
            return Response(status_code=499)

    async def _begin(self, seat: Seat, path: str, asked: dict[str, Any]) -> Response:
        """The engine's own status decides: a refusal is passed on as it is."""
        async with AsyncExitStack() as stack:
            stack.enter_context(self._seats.taken(seat))
            reply = await _reached(self._http.send(self._request(seat, path, asked), stream=True))
            stack.push_async_callback(reply.aclose)
            media_type = reply.headers.get("content-type", MEDIA_TYPE)
            names = _Names(seat, asked["model"])
            if reply.status_code != httpx2.codes.OK:
                return Response(names.restore(await reply.aread()), reply.status_code, media_type=media_type)
            return LiveResponse(_pieces(reply, names, path), media_type, closing=stack.pop_all())

    async def _after_loading(
        self, search: AsyncIterator[Seat | Waiting], path: str, asked: dict[str, Any]
    ) -> AsyncIterator[bytes]:
        """The status is sent: from here on what goes wrong is an event of the stream."""
        try:
            seat = None
            while seat is None:
                yield KEEP_ALIVE
                seat = await _within(search, _COMMENT)
            with self._seats.taken(seat):
                reply = await _reached(self._http.send(self._request(seat, path, asked), stream=True))
                async with aclosing(reply):
                    if reply.status_code != httpx2.codes.OK:
                        refusal = await reply.aread()
                        yield b"data: " + refusal.replace(b"\n", b" ") + b"\n\n"
                        return
                    async for piece in _pieces(reply, _Names(seat, asked["model"]), path):
                        yield piece
        except CidermillError as error:
            yield frame(error_body(path, error.problem, error.status))

    def _request(self, seat: Seat, path: str, asked: dict[str, Any]) -> httpx2.Request:
        said = json.dumps(asked | {"model": seat.endpoint.served_name}, ensure_ascii=False).encode(errors="replace")
        headers = {"Content-Type": "application/json"}
        return self._http.build_request("POST", seat.endpoint.url + path, content=said, headers=headers)


class _Names:
    """The engine calls the model by its own name; the client hears the name it used."""

    def __init__(self, seat: Seat, asked: str) -> None:
        served = json.dumps(seat.endpoint.served_name).encode()
        # Inside a string the quotes would be escaped, so this only ever matches the field itself.
        self._field = re.compile(rb'"model"(\s*):(\s*)' + re.escape(served))
        self._asked = b'"model"\\1:\\2' + json.dumps(asked).encode().replace(b"\\", b"\\\\")
        self.same = seat.endpoint.served_name == asked

    def restore(self, said: bytes) -> bytes:
        return said if self.same else self._field.sub(self._asked, said)


async def _pieces(reply: httpx2.Response, names: _Names, path: str) -> AsyncIterator[bytes]:
    """The stream line by line, unchanged but for the model's name."""
    rest = b""
    try:
        async for piece in reply.aiter_bytes():
            if names.same:
                yield piece
                continue
            whole, newline, rest = (rest + piece).rpartition(b"\n")
            if newline:
                yield names.restore(whole + newline)
        if rest:
            yield names.restore(rest)
    except httpx2.TransportError as error:
        broken = _went_away(error)
        yield frame(error_body(path, broken.problem, broken.status))


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
        raise _went_away(error) from error


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do `work` unless the client goes away first. Raises ClientGone."""
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise ClientGone
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        """The body was read; what else may come is of no interest."""


def _went_away(error: httpx2.TransportError) -> Unavailable:
    return Unavailable("The run went away while it was asked", f"{type(error).__name__}: {error}", "ask again")


def _nothing_found() -> Unavailable:
    return Unavailable("No run was found", "the search for one ended", "ask again")
