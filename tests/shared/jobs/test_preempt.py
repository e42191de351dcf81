"""Attempts that give way, on both databases: what they did is kept, and nothing is counted against them."""

from __future__ import annotations

import pytest

from shared.errors import Problem
from shared.jobs import state as jobs
from shared.protocol import AttemptRef, AttemptStatus, Item, Outcome, Verdict
from shared.runs import state as runs
from shared.vocabulary import AttemptState, JobState, RunState
from tests.fleet import HOST, MAX_CRASHES, RUN, WORKER, Fleet

REF = AttemptRef(job_id="job", attempt=1)
CRASH = Problem(code="run_died", what="The run died", retryable=True, crash=True)


@pytest.fixture(autouse=True)
def waiting(fleet: Fleet) -> None:
    """A host with a ready run, and a job that waits."""
    fleet.add_host()
    fleet.ready_run()
    fleet.submit()


def preempt(fleet: Fleet) -> None:
    fleet.do(jobs.preempt, fleet.fence, [REF], "room")


def asked(fleet: Fleet) -> list[AttemptRef]:
    return fleet.do(jobs.preempting, HOST)


def test_a_running_attempt_is_told_and_handed_back_with_what_it_did(fleet: Fleet) -> None:
    fleet.start(run_id=RUN)
    fleet.do(jobs.checkpoint, HOST, WORKER, REF, [Item(index=0, data="kept")])
    preempt(fleet)
    assert asked(fleet) == [REF]
    assert fleet.job().state == JobState.RUNNING
    assert fleet.finish(Outcome.RELEASED) == Verdict.ACCEPTED
    job = fleet.job()
    assert (job.state, job.preemptions, job.failures, job.crashes) == (JobState.QUEUED, 1, 0, 0)
    assert asked(fleet) == []
    fleet.start(run_id=RUN)
    assert fleet.finish(number=2) == Verdict.ACCEPTED
    assert fleet.job().preemptions == 1


def test_an_attempt_that_no_worker_has_taken_is_handed_back_at_once(fleet: Fleet) -> None:
    fleet.assign(run_id=RUN)
    preempt(fleet)
    assert fleet.attempt().state == AttemptState.ABANDONED
    job = fleet.job()
    assert (job.state, job.preemptions) == (JobState.QUEUED, 1)
    assert not fleet.claim()


def test_an_attempt_is_asked_once(fleet: Fleet) -> None:
    fleet.start(run_id=RUN)
    preempt(fleet)
    first = fleet.attempt().preempt_requested_at
    fleet.wait(5)
    preempt(fleet)
    assert fleet.attempt().preempt_requested_at == first
    assert fleet.events().count("job.preempted") == 1


def test_what_ended_meanwhile_is_left_alone(fleet: Fleet) -> None:
    fleet.start(run_id=RUN)
    fleet.finish()
    preempt(fleet)
    assert (fleet.job().state, fleet.attempt().preempt_requested_at) == (JobState.SUCCEEDED, None)


def test_success_wins_over_giving_way(fleet: Fleet) -> None:
    fleet.start(run_id=RUN)
    preempt(fleet)
    assert fleet.finish() == Verdict.ACCEPTED
    job = fleet.job()
    assert (job.state, job.preemptions) == (JobState.SUCCEEDED, 0)


def test_a_cancel_wins_over_giving_way(fleet: Fleet) -> None:
    fleet.start(run_id=RUN)
    preempt(fleet)
    fleet.do(jobs.cancel, "job")
    status = AttemptStatus(job_id="job", attempt=1, worker=WORKER)
    assert fleet.do(jobs.keep_alive, HOST, [status], 10.0) == {REF: True}
    fleet.finish(Outcome.RELEASED)
    assert fleet.job().state == JobState.CANCELLED


def test_work_on_a_run_that_is_shed_is_handed_back_and_its_crash_is_not_counted(fleet: Fleet) -> None:
    fleet.start(run_id=RUN)
    [message] = fleet.do(runs.shed, fleet.fence, [RUN], "memory guard")
    assert (message.run_id, fleet.run().state) == (RUN, RunState.STOPPING)
    assert asked(fleet) == [REF]
    assert fleet.finish(Outcome.FAILED, error=CRASH) == Verdict.ACCEPTED
    assert fleet.finish(Outcome.FAILED, error=CRASH) == Verdict.DUPLICATE
    job = fleet.job()
    assert (job.state, job.crashes, job.failures, job.preemptions) == (JobState.QUEUED, 0, 0, 1)
    assert fleet.attempt().state == AttemptState.ABANDONED


def test_a_worker_that_died_is_a_crash_even_if_it_was_asked(fleet: Fleet) -> None:
    fleet.start(run_id=RUN)
    preempt(fleet)
    fleet.do(jobs.lose, HOST, [WORKER], MAX_CRASHES, "gone")
    job = fleet.job()
    assert (job.state, job.crashes, job.preemptions) == (JobState.QUEUED, 1, 0)


def test_a_failure_of_its_own_counts_although_it_was_asked(fleet: Fleet) -> None:
    fleet.start(run_id=RUN)
    preempt(fleet)
    fleet.finish(Outcome.FAILED, error=Problem(code="bad", what="Bad luck", retryable=True))
    job = fleet.job()
    assert (job.failures, job.preemptions) == (1, 0)
