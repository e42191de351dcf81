"""Which runs of a host may wire memory, and how much. Pure: the one owner that keeps the sum below what a Mac bears.

Wired memory cannot be paged out: it keeps a large model fast, and several processes that each wire all that the GPU
recommends take more than the machine has, and it panics.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from shared.units import Bytes

Key = tuple[str, int]

NOTHING = Bytes(0)
#: A model larger than this part of the memory is slow without wiring; a smaller one gains nothing by it.
_LARGE = 0.5


class Wiring(StrEnum):
    """How much a run may wire."""

    #: The weights of a model that is over half of the memory, and nothing of smaller ones.
    SAFE = "safe"
    OFF = "off"
    #: Its weights; the growing cache stays pageable.
    WEIGHTS = "weights"
    #: All that the GPU may wire: the first run gets it, the others nothing.
    FULL = "full"


class WiringLedger:
    """What was granted to the runs that live. Together it is never more than the GPU may wire."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._granted: dict[Key, Bytes] = {}

    @property
    def granted(self) -> Bytes:
        """Bytes that runs may wire together now."""
        return Bytes(sum(self._granted.values()))

    def grant(self, run: Key, weights: Bytes, total: Bytes, cap: Bytes | None) -> Bytes:
        """Bytes that a run with these weights may wire on a host with `total` memory, of which `cap` can be wired.

        Asking again gets the same answer. Weights are wired whole or not at all: half of them makes nothing faster.
        """
        if run not in self._granted:
            left = Bytes((cap or 0) - self.granted)
            wanted = self._wanted(weights, total, left)
            self._granted[run] = wanted if weights <= wanted <= left else NOTHING
        return self._granted[run]

    def keep(self, living: Collection[Key]) -> None:
        """What runs that are gone had is free again."""
        self._granted = {run: size for run, size in self._granted.items() if run in living}

    def _wanted(self, weights: Bytes, total: Bytes, left: Bytes) -> Bytes:
        match self._wiring:
            case Wiring.FULL:
                return left
            case Wiring.WEIGHTS:
                return weights
            case Wiring.SAFE if weights > total * _LARGE:
                return weights
        return NOTHING
