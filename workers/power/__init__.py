"""The energy that this machine has used, as its own counters say it: one file per kind of counter.

A counter goes up for as long as the machine runs, so that whoever reads it twice knows what was used in between, to the
joule and without sampling. What no counter tells stays unknown, and is never taken for zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from workers.power import apple, rapl


class Counter(Protocol):
    """Energy since some moment that is the same for all calls."""

    #: Which counter: `rapl`, `apple`.
    source: str

    def joules(self) -> float | None:
        """`None` while it cannot be read."""


def find_counter(powercap: Path) -> Counter | None:
    """The counter of this machine, if it has one that may be read; `powercap` is Linux's folder of such counters."""
    return apple.find() or rapl.find(powercap)
