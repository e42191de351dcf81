"""Asking engines: directly on this machine, or through the agent of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from urllib.parse import urlsplit

from api.gateway.upload import Form
from shared.engine_wire import EngineWire
from shared.idle_wires import Address, IdleWires

_CONNECT_SECONDS = 5.0
#: Seconds of silence after which an engine counts as stuck: a long prompt may be read for minutes.
_SILENCE = 600.0
#: The same for one whose run is over by all that is known: its host may have gone without a word.
_SILENCE_OF_THE_LOST = 2.0
_STOPS = "the front door is being stopped"


class EngineReply:
    """An answer whose head is there and whose body comes."""

    def __init__(self, wire: EngineWire, status: int, headers: Mapping[str, str]) -> None:
        self._wire = wire
        self.status = status
        self.headers = headers

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Raises OSError when the engine goes away."""
        while piece := await _in_time(self._wire):
            yield piece

    async def read(self) -> bytes:
        """The whole body. Raises OSError when the engine goes away."""
        return b"".join([piece async for piece in self.pieces()])


class EngineClient:
    """Connections to engines, kept for the next request while both sides like."""

    def __init__(self) -> None:
        self._idle = IdleWires()
        #: In use, and by which run.
        self._busy: dict[EngineWire, str] = {}
        self._over = False

    @asynccontextmanager
    async def post(
        self, url: str, content: bytes | Form, headers: Mapping[str, str], run_id: str = ""
    ) -> AsyncIterator[EngineReply]:
        """Ask; leaving before the answer is read drops the connection, and the engine stops.

        Raises OSError when nobody answers there, or the connection breaks.
        """
        parts = urlsplit(url)
        address = parts.hostname or "127.0.0.1", parts.port or 80
        size = len(content) if isinstance(content, bytes) else content.size
        head = _head(parts.path, parts.netloc, size, headers)
        wire, reply = await self._ask(address, head, content, run_id)
        try:
            yield reply
        finally:
            self._busy.pop(wire, None)
            self._idle.give(address, wire)

    def give_up(self, run_ids: Collection[str]) -> None:
        """These runs are over: who waits for one that says nothing any more gets a TimeoutError."""
        for wire, run_id in list(self._busy.items()):
            if run_id in run_ids:
                wire.give_up(_SILENCE_OF_THE_LOST, "its run is over, and it says nothing")

    def break_off(self) -> None:
        """Who waits for any of them gets a TimeoutError, and so does who asks from now on."""
        self._over = True
        for wire in list(self._busy):
            wire.break_off(_STOPS)

    def close(self) -> None:
        self._idle.close()

    async def _ask(
        self, address: Address, head: bytes, content: bytes | Form, run_id: str
    ) -> tuple[EngineWire, EngineReply]:
        while True:
            kept = self._idle.take(address)
            wire = kept or await _connected(address)
            self._busy[wire] = run_id
            try:
                if self._over:
                    raise TimeoutError(_STOPS)
                if isinstance(content, bytes):
                    wire.send(head + content)
                else:
                    wire.send(head)
                    await _pour(wire, content)
                async with asyncio.timeout(_SILENCE):
                    return wire, EngineReply(wire, *await wire.head())
            except BaseException as error:
                del self._busy[wire]
                wire.close()
                # An engine may close an idle connection just as it is used: nothing was done, so ask again.
                if kept is None or not isinstance(error, ConnectionResetError):
                    raise


async def _connected(address: Address) -> EngineWire:
    async with asyncio.timeout(_CONNECT_SECONDS):
        _, wire = await asyncio.get_running_loop().create_connection(EngineWire, *address)
    return wire


async def _in_time(wire: EngineWire) -> bytes:
    async with asyncio.timeout(_SILENCE):
        return await wire.piece()


async def _pour(wire: EngineWire, form: Form) -> None:
    """Send a form as fast as the engine takes it, unless it answers before it has heard all."""
    async with aclosing(form.pieces()) as pieces:
        async for piece in pieces:
            async with asyncio.timeout(_SILENCE):
                if not await wire.more(piece):
                    return


def _head(path: str, host: str, size: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {size}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
