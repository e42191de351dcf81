"""How many things are under way at once, by what they are with."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class Flights:
    """A count by key, safe from any thread; a key with nothing under way takes no room."""

    def __init__(self) -> None:
        self._counts: Counter[Hashable] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def one_more(self, key: Hashable) -> Iterator[None]:
        """Counted while the block runs, however it ends."""
        self._add(key, 1)
        try:
            yield
        finally:
            self._add(key, -1)

    def of(self, key: Hashable) -> int:
        return self._counts.get(key, 0)

    def _add(self, key: Hashable, change: int) -> None:
        with self._lock:
            self._counts[key] += change
            if not self._counts[key]:
                del self._counts[key]
