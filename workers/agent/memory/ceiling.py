"""How much memory runs may have on a host. Pure: a reading in, bytes out.

    ceiling = min(total − reserve, own + idle + r × active, what Metal may wire)

`own` is in it because memory that runs already hold is theirs to keep: the ceiling does not sink when they load, only
when something else takes memory. The reserve and `r` come from the mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.units import GIB, Bytes
from workers.agent.memory.reading import Reading

#: Part of the ceiling that is admitted, the rest is slack for what estimates miss.
ADMITTED = 0.85

_SMALL, _SMALL_RESERVE = 16 * GIB, Bytes(4 * GIB)
#: A reserve made for big machines would take most of a small one.
_LARGEST_RESERVE = 1 / 3


class Mode(StrEnum):
    """How much is left to everything else on the machine."""

    SAFE = "safe"
    BALANCED = "balanced"
    AGGRESSIVE = "aggressive"


_RESERVE = {Mode.SAFE: Bytes(12 * GIB), Mode.BALANCED: Bytes(8 * GIB), Mode.AGGRESSIVE: Bytes(6 * GIB)}
#: The part of recently used memory that the system is expected to give up.
_RECLAIMED = {Mode.SAFE: 0.2, Mode.BALANCED: 0.5, Mode.AGGRESSIVE: 0.8}


class Bound(StrEnum):
    """What keeps the ceiling from being higher."""

    #: A budget that the owner of the host set.
    FIXED = "fixed"
    #: The memory kept for everything else.
    RESERVE = "reserve"
    #: What other applications use now.
    OTHERS = "others"
    #: What the GPU may wire.
    METAL = "metal"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the owner of the host decided."""

    mode: Mode = Mode.BALANCED
    #: Bytes kept for everything else; `None`: by mode and size.
    reserve: Bytes | None = None
    #: A budget in bytes that replaces the measured one.
    fixed: Bytes | None = None

    def reserved(self, total: Bytes) -> Bytes:
        """Bytes of `total` that runs never get: 4 GiB below 16 GiB of memory, else by mode; never over a third."""
        if self.reserve is not None:
            return min(self.reserve, total)
        wanted = _SMALL_RESERVE if total < _SMALL else _RESERVE[self.mode]
        return Bytes(min(wanted, int(total * _LARGEST_RESERVE)))


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Bytes that runs may use together, and what it is that allows no more."""

    size: Bytes
    bound: Bound

    @property
    def budget(self) -> Bytes:
        """What is admitted: the sum of what runs are expected to need stays within it."""
        return Bytes(int(self.size * ADMITTED))


def ceiling_of(reading: Reading, policy: Policy) -> Ceiling:
    """The ceiling at this moment. A fixed budget stands for the ceiling of which it is 85 %."""
    if policy.fixed is not None:
        return _fixed(policy.fixed)
    live = reading.own_kept + reading.idle + int(reading.active * _RECLAIMED[policy.mode])
    return min((*_lasting(reading, policy), Ceiling(Bytes(live), Bound.OTHERS)), key=lambda one: one.size)


def highest(reading: Reading, policy: Policy) -> Ceiling:
    """The ceiling on the best of days, when nothing else uses the machine: what cannot fit in it never will."""
    if policy.fixed is not None:
        return _fixed(policy.fixed)
    return min(_lasting(reading, policy), key=lambda one: one.size)


def _fixed(budget: Bytes) -> Ceiling:
    # Rounded up, so that 85 % of it is never a byte less than was asked for.
    return Ceiling(Bytes(-int(-budget // ADMITTED)), Bound.FIXED)


def _lasting(reading: Reading, policy: Policy) -> tuple[Ceiling, ...]:
    less_reserve = Ceiling(Bytes(reading.total - policy.reserved(reading.total)), Bound.RESERVE)
    if reading.metal_cap is None:
        return (less_reserve,)
    return less_reserve, Ceiling(reading.metal_cap, Bound.METAL)
