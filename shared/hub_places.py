"""Who may ask other servers while somebody waits for an answer of the front door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from shared.errors import Busy

#: Who waits for another server keeps a thread that workers are answered in, and that server may be as slow as it likes.
AT_ONCE = 4
_places = BoundedSemaphore(AT_ONCE)


@contextmanager
def place() -> Iterator[None]:
    """Raises Busy when as many as may are asking other servers."""
    if not _places.acquire(blocking=False):
        raise Busy(
            "The front door asks other servers enough already",
            f"{AT_ONCE} requests wait for what these say",
            "ask again in a moment",
            retry_after=2,
        )
    try:
        yield
    finally:
        _places.release()
