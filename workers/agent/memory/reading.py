"""What a host says of its memory at one moment, and who can say it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from shared.units import Bytes

NOTHING = Bytes(0)


class Pressure(StrEnum):
    """How hard the system looks for memory, in its own judgement."""

    NORMAL = "normal"
    WARN = "warn"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment, in bytes. What nobody holds and what runs hold do not overlap."""

    #: Physical memory, or less where a control group allows less.
    total: Bytes
    #: Measured use of all run trees.
    own: Bytes
    #: The part of `own` that cannot be taken back: without clean pages of files, which `idle` has already.
    own_kept: Bytes
    #: Free, or given back by the system without writing anything to a disk.
    idle: Bytes
    #: In use lately by anyone; some of it the system could compress or page out. 0 where `idle` has the answer.
    active: Bytes = NOTHING
    #: What Metal may wire; `None` where there is no Metal.
    metal_cap: Bytes | None = None
    pressure: Pressure | None = None
    #: `None` is unknown.
    swap_used: Bytes | None = None


class Source(Protocol):
    """One way to read a host's memory. Costs well under a millisecond, apart from the processes it measures."""

    @property
    def name(self) -> str: ...

    def read(self, pids: Collection[int]) -> Reading:
        """The memory now; `pids` are the roots of all run trees, those that are gone count nothing."""
