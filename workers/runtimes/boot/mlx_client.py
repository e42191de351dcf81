"""The client of a request to mlx-lm, as the thread that generates knows it."""

from __future__ import annotations

import select
import socket
from queue import Queue
from typing import Any

from mlx_lm.server import GenerationContext


class Line:
    """What is said to one client, in place of the queue that leads to it; who has gone makes the engine stop.

    mlx-lm says how far it has read after each step and looks then whether it should stop, but nobody tells it before
    the first token; and where it serves one request alone, it does not look.
    """

    #: Its request is served alone.
    alone = False

    def __init__(self, queue: Queue[Any], client: socket.socket) -> None:
        self._queue, self._client = queue, client
        self._context: GenerationContext | None = None

    def put(self, said: Any) -> None:
        """Raises ConnectionAbortedError where that is the only way to stop."""
        if isinstance(said, GenerationContext):
            self._context = said
        elif self._context is not None and gone(self._client):
            self._context.stop()
            self._queue.put(ConnectionAbortedError())
            if self.alone and isinstance(said, tuple):
                raise ConnectionAbortedError
        self._queue.put(said)


def gone(client: socket.socket) -> bool:
    """Whether it has closed its end, or we ours."""
    try:
        poll = select.poll()
        poll.register(client, select.POLLIN)
        return bool(poll.poll(0)) and not client.recv(1, socket.MSG_PEEK)
    except (OSError, ValueError):
        return True
