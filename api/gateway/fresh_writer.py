"""A dialect's writer that can begin anew: what it has heard of a run that went away must not be told with the rest."""

from __future__ import annotations

from collections.abc import Callable

from api.gateway.exchange import Writer


class FreshWriter:
    """A writer; after `anew` another one, made in the same way."""

    def __init__(self, make: Callable[[], Writer]) -> None:
        self._make = make
        self.anew()

    def anew(self) -> None:
        """Forget what was heard; only before anything of it was sent."""
        writer = self._make()
        self.media_type = writer.media_type
        # Its own methods, so that a piece of a stream is not handed on once more.
        self.waiting, self.feed, self.end, self.failed = writer.waiting, writer.feed, writer.end, writer.failed
