"""The memory of one host while a plan is made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Budget:
    """Bytes of a host: what it may hold, what runs hold, what they will give back, and what that is promised to."""

    total: int
    held: int = 0
    #: The part of `held` that runs which are being stopped will give back.
    leaving: int = 0
    #: The part of `held` that runs at work will give back once those to whom it is promised need it.
    expected: int = 0
    #: Needs of those who wait for it: nobody behind them may take it away.
    promised: int = 0
    #: Seconds until those runs are done; `None` while nothing is expected of them or it is not known.
    due: float | None = None

    @property
    def free(self) -> int:
        """What nobody holds now; negative when the host has shrunk."""
        return self.total - self.held

    def fits(self, need: int, seconds: float | None = None) -> bool:
        """Now, and without delaying anyone to whom memory is promised.

        Work that is over in so many `seconds` may use what is promised later than that.
        """
        if self.held + need > self.total:
            return False
        before = seconds is not None and self.due is not None and seconds <= self.due
        return before or self.fits_later(need)

    def fits_later(self, need: int) -> bool:
        """Once the runs that are being stopped, or that are to be, are gone."""
        return self.missing(need) == 0

    def missing(self, need: int) -> int:
        """Bytes that must still be given back before it fits later."""
        return max(0, self.held - self.leaving - self.expected + self.promised + need - self.total)

    def promise(self, need: int, expected: int = 0, due: float | None = None) -> None:
        """Keep `need` bytes for somebody, of which runs at work give back `expected` in `due` seconds."""
        self.promised += need
        if expected:
            first = self.expected == 0
            self.expected += expected
            self.due = due if first else _earlier(self.due, due)


def _earlier(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else min(one, other)
