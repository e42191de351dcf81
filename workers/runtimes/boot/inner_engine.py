"""HTTP from a run's own front to the engine behind it, on loopback of the same process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from shared.engine_wire import EngineWire
from shared.idle_wires import IdleWires


class InnerEngine:
    """Asks the engine at a port; leaving before an answer is read drops its connection."""

    def __init__(self, port: int) -> None:
        self._address = "127.0.0.1", port
        self._idle = IdleWires()

    @asynccontextmanager
    async def asked(
        self, method: str, path: str, content: bytes = b"", media_type: str = "application/json"
    ) -> AsyncIterator[tuple[int, Mapping[str, str], EngineWire]]:
        """Status, headers, and the wire that has the pieces. Raises OSError."""
        wire, (status, headers) = await self._send(_head(method, path, len(content), media_type) + content)
        try:
            yield status, headers, wire
        finally:
            self._idle.give(self._address, wire)

    async def _send(self, request: bytes) -> tuple[EngineWire, tuple[int, dict[str, str]]]:
        while True:
            kept = self._idle.take(self._address)
            wire = kept or await self._connected()
            try:
                wire.send(request)
                return wire, await wire.head()
            except BaseException as error:
                wire.close()
                # It may close an idle connection just as it is used: nothing was done, so ask again.
                if kept is None or not isinstance(error, ConnectionResetError):
                    raise

    async def _connected(self) -> EngineWire:
        _, wire = await asyncio.get_running_loop().create_connection(EngineWire, *self._address)
        return wire


async def read(wire: EngineWire) -> bytes:
    """All that still comes. Raises OSError."""
    pieces = []
    while piece := await wire.piece():
        pieces.append(piece)
    return b"".join(pieces)


def _head(method: str, path: str, size: int, media_type: str) -> bytes:
    lines = (f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {media_type}", f"Content-Length: {size}")
    return "\r\n".join((*lines, "", "")).encode("latin-1")
