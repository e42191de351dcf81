"""How fast the bytes of a download came, by kind of source: the scheduler learns from it what a transfer costs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from shared.protocol import Transfer
from shared.vocabulary import Source


class Speed:
    """Bytes, and seconds in which at least one file came, from each kind of source; told from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._bytes: Counter[Source] = Counter()
        self._seconds: dict[Source, float] = {}
        self._coming: Counter[Source] = Counter()
        self._since: dict[Source, float] = {}

    @contextlib.contextmanager
    def timing(self, source: Source, position: Callable[[], int]) -> Iterator[None]:
        """Within, a file grows from there; waits between tries are a part of it."""
        before = position()
        self._begin(source)
        try:
            yield
        finally:
            self._end(source, max(0, position() - before))

    def transfers(self) -> list[Transfer]:
        """What came so far from whom."""
        with self._lock:
            return [
                Transfer(source=source, bytes=count, seconds=self._seconds.get(source, 0.0))
                for source, count in self._bytes.items()
                if count
            ]

    def _begin(self, source: Source) -> None:
        with self._lock:
            if not self._coming[source]:
                self._since[source] = self._clock()
            self._coming[source] += 1

    def _end(self, source: Source, count: int) -> None:
        with self._lock:
            self._bytes[source] += count
            self._coming[source] -= 1
            if not self._coming[source]:
                took = self._clock() - self._since[source]
                self._seconds[source] = self._seconds.get(source, 0.0) + took
