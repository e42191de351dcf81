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
    #: Needs of those who wait for it: nobody behind them may take it away.
    promised: int = 0

    @property
    def free(self) -> int:
        """What nobody holds now; negative when the host has shrunk."""
        return self.total - self.held

    def fits(self, need: int) -> bool:
        """Now, and without delaying anyone to whom memory is promised."""
        return self.held + need <= self.total and self.fits_later(need)

    def fits_later(self, need: int) -> bool:
        """Once the runs that are being stopped are gone."""
        return self.held - self.leaving + self.promised + need <= self.total

    def missing(self, need: int) -> int:
        """Bytes that must still be given back before it fits later."""
        return max(0, self.held - self.leaving + self.promised + need - self.total)
