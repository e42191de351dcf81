"""Watching memory over time: what is measured while a model loads, and what single measurements may change."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from shared.vocabulary import Guard
from tests.workers.agent.memory.readings import gib, reading
from workers.agent.memory.ceiling import Bound, Policy
from workers.agent.memory.reading import Pressure, Reading
from workers.agent.memory.watch import MemoryWatch


@dataclass
class Machine:
    """A machine whose memory and clock the test sets."""

    now: Reading = field(default_factory=lambda: reading(64, idle=30))
    seconds: float = 0.0
    name: str = "test"
    #: Seconds that one measurement takes, and how many were made.
    costs: float = 0.0
    reads: int = 0

    def read(self, pids: Collection[int]) -> Reading:
        self.seconds += self.costs
        self.reads += 1
        return self.now

    def clock(self) -> float:
        return self.seconds

    def watch(self, policy: Policy | None = None) -> MemoryWatch:
        return MemoryWatch(self, policy or Policy(), self.clock)


def _pass(machine: Machine, watch: MemoryWatch, seconds: float, *, loading: bool = False) -> list[Guard]:
    """Let time pass in half seconds; what the guard turned to."""
    turns = []
    for _ in range(int(seconds * 2)):
        machine.seconds += 0.5
        if watch.look((), loading=loading):
            turns.append(watch.state.verdict.guard)
    return turns


def test_the_first_measurement_counts_at_once() -> None:
    watch = Machine().watch()
    assert watch.state.ceiling.size == gib(30)
    assert watch.state.capacity == int(gib(56) * 0.85)


def test_a_ceiling_taken_while_a_run_loads_is_ignored() -> None:
    machine = Machine(reading(128, idle=112))
    watch = machine.watch()
    machine.now = reading(128, idle=50)
    _pass(machine, watch, 40, loading=True)
    assert watch.state.ceiling.size == gib(112)
    machine.now = reading(128, idle=12, own=100)
    _pass(machine, watch, 1)
    assert watch.state.ceiling.size == gib(112), "one second after the load is too early to judge"
    _pass(machine, watch, 2)
    assert watch.state.ceiling.size == gib(112)


def test_a_short_dip_does_not_move_the_ceiling_and_a_lasting_one_does() -> None:
    machine = Machine()
    watch = machine.watch()
    _pass(machine, watch, 10)
    machine.now = reading(64, idle=5)
    _pass(machine, watch, 1)
    assert watch.state.ceiling.size == gib(30)
    _pass(machine, watch, 5)
    assert watch.state.ceiling.size == gib(5)
    assert watch.state.ceiling.bound == Bound.OTHERS


def test_use_is_judged_by_the_last_measurement_and_each_turn_is_told_once() -> None:
    machine = Machine(reading(64, idle=40))
    watch = machine.watch(Policy(fixed=gib(8.5)))
    machine.now = replace(machine.now, own=gib(9.9))
    assert _pass(machine, watch, 2) == [Guard.SHEDDING]
    machine.now = replace(machine.now, own=gib(8.2))
    assert _pass(machine, watch, 2) == [Guard.CLOSED]
    machine.now = replace(machine.now, own=gib(1))
    assert _pass(machine, watch, 2) == [Guard.OPEN]


def test_swap_that_grows_closes_for_half_a_minute_after_it_stopped() -> None:
    machine = Machine(reading(16, idle=10, pressure=Pressure.NORMAL, swap_used=2))
    watch = machine.watch()
    assert _pass(machine, watch, 30) == []
    machine.now = replace(machine.now, swap_used=gib(2.5))
    assert _pass(machine, watch, 28) == [Guard.CLOSED]
    assert _pass(machine, watch, 5) == [Guard.OPEN]


def test_a_ceiling_that_sinks_below_what_runs_use_sheds() -> None:
    machine = Machine(reading(64, idle=10, own=30))
    watch = machine.watch()
    _pass(machine, watch, 10)
    machine.now = reading(64, idle=0, own=30)
    assert _pass(machine, watch, 10) == [Guard.SHEDDING]
    assert "of the 30.0 GiB they may have" in watch.state.verdict.reason


def test_measuring_takes_no_more_than_a_twentieth_of_the_time() -> None:
    machine = Machine(costs=0.2)
    watch = machine.watch()
    while machine.seconds < 42:
        machine.seconds += 0.1
        watch.look((), loading=False)
    assert machine.reads * machine.costs <= 42 * 0.06


def test_what_is_told_carries_the_numbers_and_leaves_unknown_ones_out() -> None:
    machine = Machine(reading(64, idle=40, own=3))
    told = machine.watch().told()
    assert (told["ceiling"], told["runs_memory"], told["swap_used"], told["guard_reason"]) == (
        gib(43), gib(3), None, None,
    )  # fmt: skip
