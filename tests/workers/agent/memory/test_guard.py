"""The guard: when admission stops, when runs are shed, and how it comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.units import GIB, MIB, Bytes
from shared.vocabulary import Guard
from tests.workers.agent.memory.readings import gib
from workers.agent.memory.guard import Strain, judge
from workers.agent.memory.reading import Pressure

_CALM = Strain(Pressure.NORMAL, Bytes(0), Bytes(0), gib(64))
_ORDER = [Guard.OPEN, Guard.CLOSED, Guard.SHEDDING]


@pytest.mark.parametrize(
    ("before", "percent", "after"),
    [
        (Guard.OPEN, 0, Guard.OPEN),
        (Guard.OPEN, 85, Guard.OPEN),
        (Guard.OPEN, 86, Guard.CLOSED),
        (Guard.OPEN, 95, Guard.CLOSED),
        (Guard.OPEN, 96, Guard.SHEDDING),
        (Guard.CLOSED, 83, Guard.CLOSED),
        (Guard.CLOSED, 80, Guard.OPEN),
        (Guard.CLOSED, 92, Guard.CLOSED),
        (Guard.CLOSED, 96, Guard.SHEDDING),
        (Guard.SHEDDING, 92, Guard.SHEDDING),
        (Guard.SHEDDING, 90, Guard.CLOSED),
        (Guard.SHEDDING, 80, Guard.OPEN),
    ],
)
def test_each_mark_has_a_lower_one_on_the_way_back(before: Guard, percent: int, after: Guard) -> None:
    assert judge(before, Bytes(percent * MIB), Bytes(100 * MIB), _CALM).guard == after


@pytest.mark.parametrize(
    ("strain", "says"),
    [
        (Strain(Pressure.WARN, Bytes(0), Bytes(0), gib(64)), "warn"),
        (Strain(Pressure.CRITICAL, Bytes(0), Bytes(0), gib(64)), "critical"),
        (Strain(Pressure.NORMAL, gib(40), Bytes(0), gib(64)), "swapped out"),
        (Strain(Pressure.NORMAL, gib(3), gib(1), gib(64)), "swap grew"),
    ],
)
def test_a_machine_short_of_memory_closes_but_never_sheds(strain: Strain, says: str) -> None:
    verdict = judge(Guard.OPEN, gib(1), gib(10), strain)
    assert verdict.guard == Guard.CLOSED
    assert says in verdict.reason


@pytest.mark.parametrize("strain", [_CALM, Strain(), Strain(None, gib(2), Bytes(200 * MIB), gib(64))])
def test_idle_pages_in_swap_and_unknown_signals_keep_it_open(strain: Strain) -> None:
    assert judge(Guard.OPEN, gib(1), gib(10), strain).guard == Guard.OPEN


def test_a_host_without_any_memory_left_sheds_only_what_uses_some() -> None:
    assert judge(Guard.OPEN, Bytes(0), Bytes(0), _CALM).guard == Guard.OPEN
    assert judge(Guard.OPEN, Bytes(1), Bytes(0), _CALM).guard == Guard.SHEDDING


_GUARDS, _USE = st.sampled_from(Guard), st.integers(0, 100 * GIB).map(Bytes)


@given(_GUARDS, _USE, st.integers(1, 100 * GIB).map(Bytes))
def test_the_same_measurement_again_changes_nothing(before: Guard, used: Bytes, ceiling: Bytes) -> None:
    once = judge(before, used, ceiling, _CALM)
    assert judge(once.guard, used, ceiling, _CALM) == once
    assert bool(once.reason) == (once.guard != Guard.OPEN)


@given(_GUARDS, _USE, _USE, st.integers(1, 100 * GIB).map(Bytes))
def test_more_use_is_never_judged_milder(before: Guard, one: Bytes, other: Bytes, ceiling: Bytes) -> None:
    less, more = sorted((one, other))
    verdicts = [judge(before, used, ceiling, _CALM).guard for used in (Bytes(less), Bytes(more))]
    assert _ORDER.index(verdicts[0]) <= _ORDER.index(verdicts[1])


@given(st.lists(st.integers(86, 95), min_size=2, max_size=30))
def test_use_that_wavers_between_the_upper_marks_turns_the_guard_once(percents: list[int]) -> None:
    said = Guard.OPEN
    for percent in percents:
        said = judge(said, Bytes(percent * MIB), Bytes(100 * MIB), _CALM).guard
        assert said == Guard.CLOSED
