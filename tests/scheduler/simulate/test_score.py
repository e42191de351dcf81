"""What a replay comes to in figures."""

from __future__ import annotations

import pytest

from scheduler.simulate.engine import simulate
from scheduler.simulate.policies import policies
from scheduler.simulate.score import jain
from shared.vocabulary import Priority
from tests.scheduler.simulate.traces import job, trace


def test_jain_is_one_when_all_are_equal_and_one_over_n_when_one_has_it_all() -> None:
    assert jain([3.0, 3.0, 3.0]) == pytest.approx(1.0)
    assert jain([5.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)
    assert jain([]) == 1.0


def test_first_come_first_served_is_unfair_to_whoever_comes_second() -> None:
    jobs = [job(0.0, key="greedy") for _ in range(20)] + [job(1.0, key="modest") for _ in range(20)]
    seen = simulate(trace(*jobs), "fifo", policies()["fifo"])
    assert seen.fairness < 0.9


def test_waits_are_told_by_class() -> None:
    jobs = [job(priority=Priority.INTERACTIVE), job(priority=Priority.BATCH)]
    seen = simulate(trace(*jobs), "cidermill", policies()["cidermill"])
    assert [*seen.waits] == [Priority.INTERACTIVE, Priority.BATCH]
    assert seen.waits[Priority.INTERACTIVE].mean == pytest.approx(5.0)
    assert seen.waits[Priority.BATCH].longest == pytest.approx(15.0)
