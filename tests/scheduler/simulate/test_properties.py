"""What holds for every trace and every policy."""

from __future__ import annotations

from hypothesis import given, settings

from scheduler.simulate.bound import lower_bound
from scheduler.simulate.compare import compare
from scheduler.simulate.trace import Trace
from tests.scheduler.simulate.traces import traces


@settings(max_examples=40, deadline=None)
@given(traces)
def test_every_job_ends_within_budgets_and_nobody_beats_the_bound(seen: Trace) -> None:
    for score in compare(seen).scores:
        assert (score.stranded, score.failed, score.over_budget) == (0, 0, 0), score.policy
        assert score.makespan >= lower_bound(seen) - 1e-6, score.policy
        assert sum(waits.jobs for waits in score.waits.values()) == len(seen.jobs)
        assert 0.0 <= score.utilisation <= score.held <= 1.0


@settings(max_examples=40, deadline=None)
@given(traces)
def test_our_plan_decides_nothing_that_the_world_refuses(seen: Trace) -> None:
    ours = compare(seen, ["cidermill"]).scores[0]
    assert ours.refused == 0
