"""Requests that come before the last one is answered: each has its turn, and the client may still leave."""

from __future__ import annotations

from typing import Any, ClassVar

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from api.framing import FramedProtocol
from shared.errors import BadRequest


class PipelinedProtocol(FramedProtocol):
    """One connection. uvicorn keeps any number of them, and forgets the one that runs for the one that came last."""

    #: Requests that may wait for their turn; each costs memory, and nobody has been asked for a key yet.
    most_waiting: ClassVar[int] = 16

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._running: RequestResponseCycle | None = None

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= self.most_waiting:
            why = f"{self.most_waiting} wait for their turn on one connection"
            self._reject(BadRequest("Too many requests came at once", why, "wait for answers, or connect once more"))
        paused = self.flow.read_paused
        super().on_headers_complete()
        if not paused:
            # Only who reads on learns that the client has left.
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop()
        super().connection_lost(exc)

    def _drop(self) -> None:
        """Nobody will read the answer that is under way."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
