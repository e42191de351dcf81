"""A streamed answer on its way to the client: silent at first, then with signs of life, then what the model says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from api.gateway.exchange import Writer
from shared.errors import CidermillError

#: Seconds that a stream waits in silence, so that what fails at once fails with its own status.
_QUIET = 2.0
#: Seconds between signs of life until there is something to say.
_SIGN = 5.0


class Telling:
    """The pieces for one client; closed when the client is gone, whatever it waits for."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], writer: Writer) -> None:
        self._pieces = pieces
        self._writer = writer
        #: The first piece, while it is waited for.
        self._first: asyncio.Task[bytes] | None = None
        self._over = False
        self._silent_until = _QUIET

    async def begin(self) -> None:
        """Wait a moment for the first piece. Raises what went wrong until then; nothing was sent yet."""
        self._first = asyncio.ensure_future(anext(self._pieces))
        await asyncio.wait({self._first}, timeout=_QUIET)
        if self._first.done():
            self._first.result()
        else:
            self._silent_until = 0.0

    def __aiter__(self) -> Telling:
        return self

    async def __anext__(self) -> bytes:
        """From here on what goes wrong is a part of the stream, and its last."""
        if self._over:
            raise StopAsyncIteration
        try:
            if self._first is None:
                return await anext(self._pieces)
            return await self._beginning(self._first)
        except CidermillError as error:
            self._over = True
            return self._writer.failed(error.problem, error.status)

    async def aclose(self) -> None:
        if self._first is not None:
            self._first.cancel()
            await asyncio.gather(self._first, return_exceptions=True)
        await self._pieces.aclose()

    async def _beginning(self, first: asyncio.Task[bytes]) -> bytes:
        if not first.done():
            await asyncio.wait({first}, timeout=self._silent_until)
            self._silent_until = _SIGN
        if not first.done():
            return self._writer.waiting()
        self._first = None
        return first.result()
