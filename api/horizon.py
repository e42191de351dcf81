"""How far the events are settled: everything up to there is committed or will never be.

On PostgreSQL a transaction may commit a lower number after a higher one, and a rollback leaves a number unused for
ever. Which of the two a missing number is can be known: whoever drew it had its transaction id before the moment we
saw it missing, so once every transaction older than that moment is over, it is either there or never will be.
SQLite writes one transaction at a time and has no such gaps. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Seconds a number must be missing at least: it is drawn a moment before its transaction has an id.
PATIENCE = 0.25


@dataclass
class Horizon:
    """The last settled number, and the gap beyond it."""

    settled: int
    #: The first missing number; `None` when none is known to be.
    gap: int | None = None
    #: The transaction id that was drawn after the gap was seen; `None` until `watch` tells it.
    younger: int | None = None
    seen: float = 0.0

    def advance(self, numbers: Sequence[int], oldest: int, now: float) -> bool:
        """Move over `numbers`, present and in order, all read after `oldest` was the oldest running transaction.

        Returns whether it stands before a gap that it has not seen before: then call `watch`.
        """
        for number in numbers:
            if number > self.settled + 1 and not self._unused(self.settled + 1, oldest, now):
                is_new = self.gap != self.settled + 1
                self.gap = self.settled + 1
                return is_new
            self.settled, self.gap = number, None
        return False

    def watch(self, younger: int, now: float) -> None:
        """Transactions that may still fill the gap are all older than `younger`."""
        self.younger, self.seen = younger, now

    def _unused(self, number: int, oldest: int, now: float) -> bool:
        waited = now >= self.seen + PATIENCE
        return self.gap == number and self.younger is not None and oldest >= self.younger and waited
