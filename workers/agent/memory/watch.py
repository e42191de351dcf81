"""Watches this host's memory: measures it, and says what runs may have and what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from shared.settings import Settings
from shared.units import Bytes
from workers.agent.memory.ceiling import Ceiling, Mode, Policy, ceiling_of, highest
from workers.agent.memory.guard import Strain, Verdict, judge
from workers.agent.memory.reading import Reading, Source
from workers.agent.memory.sources import source_of
from workers.agent.memory.trend import SteadyCeiling, SwapTrend

#: Seconds between measurements, and the most of one core's time they may take.
_EVERY, _SHARE = 0.5, 0.05


@dataclass(frozen=True, slots=True)
class MemoryState:
    """What is known and decided at one moment."""

    reading: Reading
    ceiling: Ceiling
    verdict: Verdict
    #: Bytes that could be admitted if nothing else used the machine.
    capacity: Bytes

    @property
    def budget(self) -> Bytes:
        return self.ceiling.budget


class MemoryWatch:
    """Measures now and then. Raises ConfigError for a memory script that cannot be read."""

    def __init__(self, source: Source, policy: Policy, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._policy, self._clock = source, policy, clock
        self._steady, self._swap = SteadyCeiling(), SwapTrend()
        self._verdict = Verdict()
        self._due = 0.0
        self.state = self._measure((), loading=False)

    @classmethod
    def of(cls, settings: Settings) -> MemoryWatch:
        """As the settings say."""
        return cls(source_of(settings), policy_of(settings))

    @property
    def source(self) -> str:
        return self._source.name

    def look(self, pids: Collection[int], *, loading: bool, now: bool = False) -> bool:
        """Measure when it is time, or `now`; whether the guard changed its mind. `loading`: a run of ours starts."""
        if not now and self._clock() < self._due:
            return False
        before = self._verdict.guard
        began = self._clock()
        self.state = self._measure(pids, loading=loading)
        ended = self._clock()
        # Measuring a process costs by its size: a host full of large models is looked at less often.
        self._due = ended + max(_EVERY, (ended - began) / _SHARE)
        return self._verdict.guard != before

    def told(self) -> dict[str, object]:
        """The fields of `Telemetry` that are known here."""
        state = self.state
        return {
            "ceiling": state.ceiling.size,
            "ceiling_bound": state.ceiling.bound,
            "runs_memory": state.reading.own,
            "guard_reason": state.verdict.reason or None,
            "pressure": state.reading.pressure,
            "swap_used": state.reading.swap_used,
        }

    def _measure(self, pids: Collection[int], *, loading: bool) -> MemoryState:
        at, reading = self._clock(), self._source.read(pids)
        ceiling = self._steady.note(at, ceiling_of(reading, self._policy), loading=loading)
        strain = Strain(reading.pressure, reading.swap_used, self._swap.note(at, reading.swap_used), reading.total)
        self._verdict = judge(self._verdict.guard, reading.own, ceiling.size, strain)
        return MemoryState(reading, ceiling, self._verdict, highest(reading, self._policy).budget)


def policy_of(settings: Settings) -> Policy:
    """What the owner of this host decided."""
    return Policy(Mode(settings.memory_mode), settings.memory_reserve, settings.memory)
