"""A `llama-server` as a child of the run's process, behind our front; neither outlives the other.

It is in our process group, so what measures and kills the run has both, and prints where we print.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import NoReturn

from shared.engine_wire import EngineWire
from workers.runtimes.boot import asgi
from workers.runtimes.boot.inner_engine import InnerEngine, read

#: Seconds between two looks whether it has loaded.
_LOOK = 0.1
#: Seconds that it has to end after it was told to; the worker gives us five for all.
_PATIENCE = 2.0
#: Seconds in which its end is known for sure once it has dropped a connection.
_DYING = 1.0


class ChildEngine(InnerEngine):
    """Whose end is the run's: who loses it hears nothing, as from a run that is gone, and so is asked elsewhere."""

    @asynccontextmanager
    async def asked(
        self, method: str, path: str, content: bytes = b"", media_type: str = "application/json"
    ) -> AsyncIterator[tuple[int, Mapping[str, str], EngineWire]]:
        try:
            async with super().asked(method, path, content, media_type) as answer:
                yield answer
        except OSError:
            await asyncio.sleep(_DYING)
            raise


def serve(command: Sequence[str], port: int, front: asgi.App, listener: socket.socket) -> NoReturn:
    """Start `command`, which listens on `port`, and serve `front` once it is ready. The process ends as it ends."""
    _end_as(asyncio.run(_serve(command, port, front, listener)))


async def _serve(command: Sequence[str], port: int, front: asgi.App, listener: socket.socket) -> int:
    loop = asyncio.get_running_loop()
    child, server = subprocess.Popen(command, stdin=subprocess.DEVNULL), asgi.server(front)
    loading = asyncio.create_task(_ready(InnerEngine(port)))

    def look() -> None:
        if (code := child.poll()) is not None:
            _end_as(code)

    def stop() -> None:
        server.should_exit = True
        loading.cancel()

    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGCHLD, look)
    look()
    with suppress(asyncio.CancelledError):
        await loading
        await server.serve(sockets=[listener])
    child.terminate()
    await asyncio.sleep(_PATIENCE)
    child.kill()
    return child.wait()


async def _ready(engine: InnerEngine) -> None:
    """Return once it has loaded its model."""
    while True:
        with suppress(OSError):
            async with engine.asked("GET", "/health") as (status, _, wire):
                await read(wire)
                if status == HTTPStatus.OK:
                    return
        await asyncio.sleep(_LOOK)


def _end_as(code: int) -> NoReturn:
    """End this process at once as the child ended: with its exit code, or by its signal."""
    if code < 0:
        with suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
