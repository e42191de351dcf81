"""What engines leave undone in their answers, done before any dialect reads them: whole, or chunk by chunk.

A mend takes OpenAI's chat completions and gives them back, so that every dialect is mended alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from api.gateway.exchange import Writer
from shared.errors import Problem


class Mend(Protocol):
    """One thing, for one answer."""

    def whole(self, said: dict[str, Any]) -> dict[str, Any]:
        """An engine's whole answer."""

    def chunk(self, event: bytes) -> Sequence[bytes]:
        """What to tell instead of one chunk: nothing while it is not sure."""

    def rest(self) -> Sequence[bytes]:
        """What was held back, when nothing follows."""


class MendedWriter:
    """A dialect's writer that hears the chunks mended, by one mend after the other."""

    def __init__(self, writer: Writer, mends: Sequence[Mend]) -> None:
        self.media_type = writer.media_type
        self.waiting = writer.waiting
        self._writer, self._mends = writer, mends

    def feed(self, events: Sequence[bytes]) -> bytes:
        for mend in self._mends:
            events = [mended for event in events for mended in mend.chunk(event)]
        return self._writer.feed(events)

    def end(self) -> bytes:
        held: list[bytes] = []
        for mend in self._mends:
            held = [mended for event in held for mended in mend.chunk(event)]
            held += mend.rest()
        return (self._writer.feed(held) if held else b"") + self._writer.end()

    def failed(self, problem: Problem, status: int) -> bytes:
        return self._writer.failed(problem, status)
