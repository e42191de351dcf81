"""What the shipped traces must show of our plan. The whole comparison is `make bench ONLY=traces`."""

from __future__ import annotations

import pytest

from scheduler.simulate.compare import compare
from scheduler.simulate.shipped import open_trace, shipped
from shared.vocabulary import Priority
from tests.scheduler.simulate.traces import job, trace


@pytest.mark.parametrize("name", shipped())
def test_our_plan_stays_near_the_bound_within_budgets_and_fair(name: str) -> None:
    found = compare(open_trace(name), ["cidermill"])
    ours = found.scores[0]
    assert ours.makespan <= 1.15 * found.lower_bound
    assert ours.fairness >= 0.98
    assert (ours.over_budget, ours.refused, ours.stranded, ours.failed) == (0, 0, 0, 0)


def test_a_batch_job_outlives_a_stream_of_more_urgent_ones() -> None:
    """Urgent jobs want more than there is, for over half an hour; the one batch job begins long before they end."""
    urgent = [job(float(at), 10.0, priority=Priority.NORMAL, key="ann") for at in range(0, 2400, 8)]
    patient = job(1.0, 10.0, priority=Priority.BATCH, key="ben")
    waits = compare(trace(*urgent, patient), ["cidermill"]).scores[0].waits
    assert waits[Priority.BATCH].longest < 1200.0
