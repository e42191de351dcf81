"""Every transition of a job and its attempts, with every guard, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shared.errors import Conflict, NotFound, Problem, StaleTransition
from shared.jobs import state as jobs
from shared.jobs.state import Placement
from shared.leader import Fence, resign
from shared.protocol import AttemptRef, AttemptStatus, FinishedAttempt, Item, Outcome, Progress, Verdict
from shared.tables import Result
from tests.fleet import HOST, MAX_CRASHES, RUN, TIMERS, WORKER, Fleet

FAILURE = Problem(code="bad_luck", what="It went wrong", retryable=True)
MISTAKE = Problem(code="bad_input", what="It can never work")
CRASH = Problem(code="run_died", what="The run died", retryable=True, crash=True)


@pytest.fixture(autouse=True)
def _host(fleet: Fleet) -> None:
    fleet.add_host()


# --- submit ---


def test_a_submitted_job_waits_without_an_attempt(fleet: Fleet) -> None:
    fleet.submit("one", "two")
    assert [fleet.job("one").state, fleet.job("two").attempt] == ["queued", 0]
    assert fleet.events() == ["job.queued", "job.queued"]


def test_an_idempotency_key_is_taken_once(fleet: Fleet) -> None:
    fleet.submit("one", owner="key", idempotency_key="k")
    with pytest.raises(IntegrityError):
        fleet.submit("two", owner="key", idempotency_key="k")
    fleet.submit("three", owner="other", idempotency_key="k")
    fleet.submit("four", "five", owner="key")


# --- assign ---


def test_an_assigned_job_has_an_attempt_with_its_timers(fleet: Fleet) -> None:
    fleet.submit()
    assert fleet.assign()
    job, attempt = fleet.job(), fleet.attempt()
    assert (job.state, job.attempt, attempt.state, attempt.host) == ("assigned", 1, "assigned", HOST)
    assert (attempt.publish_at, attempt.claim_by) == (fleet.now + jobs.REPUBLISH, fleet.now + TIMERS.claim)
    assert attempt.epoch == fleet.fence.epoch


def test_a_job_is_assigned_once(fleet: Fleet) -> None:
    fleet.submit()
    assert fleet.assign()
    assert not fleet.assign()
    assert fleet.job().attempt == 1


def test_a_job_named_twice_in_one_plan_is_assigned_once(fleet: Fleet) -> None:
    fleet.submit()
    twice = [Placement("job", HOST, "echo", None, 1)] * 2
    assert len(fleet.do(jobs.assign, fleet.fence, twice, TIMERS)) == 1


def test_many_jobs_are_assigned_at_once_and_those_that_cannot_be_stay(fleet: Fleet) -> None:
    fleet.submit(*(f"job-{n}" for n in range(40)))
    fleet.do(jobs.cancel, "job-7")
    placements = [Placement(f"job-{n}", HOST, "echo", None, 1) for n in range(40)]
    given = fleet.do(jobs.assign, fleet.fence, placements, TIMERS)
    assert {d.job_id for d in given} == {f"job-{n}" for n in range(40)} - {"job-7"}
    assert {d.lane for d in given} == {"studio.echo"}


def test_a_job_is_not_assigned_before_its_time(fleet: Fleet) -> None:
    fleet.submit(not_before=fleet.now + 5)
    assert not fleet.assign()
    fleet.wait(5)
    assert fleet.assign()


def test_a_cancelled_job_is_not_assigned(fleet: Fleet) -> None:
    fleet.submit()
    fleet.do(jobs.cancel, "job")
    assert not fleet.assign()


def test_a_scheduler_that_leads_no_more_assigns_nothing(fleet: Fleet) -> None:
    fleet.submit()
    fleet.do(resign, fleet.fence)
    for fence in (fleet.fence, Fence("scheduler-2", 1), Fence("scheduler-1", 2)):
        with pytest.raises(StaleTransition):
            fleet.do(jobs.assign, fence, [Placement("job", HOST, "echo", None, 1)], TIMERS)
    assert fleet.job().state == "queued"


def test_a_run_never_has_more_attempts_than_slots(fleet: Fleet) -> None:
    fleet.ready_run(slots=3)
    fleet.submit("one", "two", "three")
    placements = [Placement("one", HOST, "echo", RUN, 2), Placement("two", HOST, "echo", RUN, 2)]
    assert [d.job_id for d in fleet.do(jobs.assign, fleet.fence, placements, TIMERS)] == ["one"]
    assert not fleet.assign("two", RUN, slots=2)
    assert fleet.assign("three", RUN, slots=1)


def test_the_slots_of_an_ended_attempt_are_free_again(fleet: Fleet) -> None:
    fleet.ready_run(slots=1)
    fleet.submit("job", "next")
    fleet.start(run_id=RUN)
    assert not fleet.assign("next", RUN)
    fleet.finish()
    assert fleet.assign("next", RUN)


def test_nothing_is_assigned_to_a_run_that_is_not_ready(fleet: Fleet) -> None:
    fleet.create_run()
    fleet.submit()
    assert not fleet.assign(run_id=RUN)
    fleet.place()
    assert not fleet.assign(run_id=RUN)
    fleet.tend()
    assert not fleet.assign(run_id=RUN)


def test_a_waiting_job_keeps_why_it_waits(fleet: Fleet) -> None:
    fleet.submit()
    fleet.do(jobs.block, fleet.fence, {"job": {"code": "no_memory"}, "unknown": {"code": "x"}})
    assert fleet.job().blocked_by == {"code": "no_memory"}
    fleet.assign()
    assert fleet.job().blocked_by is None
    fleet.do(jobs.block, fleet.fence, {"job": {"code": "late"}})
    assert fleet.job().blocked_by is None


def test_a_hopeless_job_fails_in_the_queue(fleet: Fleet) -> None:
    fleet.submit("job", "running")
    fleet.assign("running")
    assert fleet.do(jobs.fail_queued, fleet.fence, {"job": MISTAKE, "running": MISTAKE}) == ["job"]
    job = fleet.job()
    assert (job.state, job.error, job.finished_at) == ("failed", MISTAKE.model_dump(), fleet.now)


# --- publish ---


def test_an_unclaimed_message_is_due_again_later_and_later(fleet: Fleet) -> None:
    fleet.submit()
    fleet.assign()
    assert fleet.do(jobs.due_messages, fleet.fence) == []
    waits = []
    for _ in range(4):
        wait = (fleet.attempt().publish_at or 0) - fleet.now
        waits.append(wait)
        fleet.wait(wait)
        assert [(d.job_id, d.attempt) for d in fleet.do(jobs.due_messages, fleet.fence)] == [("job", 1)]
        assert fleet.do(jobs.due_messages, fleet.fence) == []
    assert waits == [3, 6, 12, 24]


def test_a_claimed_message_is_never_due_again(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    fleet.wait(5)
    assert fleet.do(jobs.due_messages, fleet.fence) == []


# --- claim ---


def test_a_claimed_attempt_runs_under_a_lease(fleet: Fleet) -> None:
    fleet.submit()
    fleet.assign()
    [attempt] = fleet.do(jobs.claim, HOST, WORKER, [AttemptRef(job_id="job", attempt=1)], TIMERS.lease)
    assert (attempt.state, attempt.worker, attempt.lease_until) == ("running", WORKER, fleet.now + TIMERS.lease)
    assert (fleet.job().state, fleet.job().started_at) == ("running", fleet.now)


@pytest.mark.parametrize(
    ("number", "host"),
    [pytest.param(2, HOST, id="another attempt"), pytest.param(1, "other", id="another host")],
)
def test_a_claim_wins_only_what_was_given_to_its_host(fleet: Fleet, number: int, host: str) -> None:
    fleet.submit()
    fleet.assign()
    assert not fleet.claim(number, host=host)
    assert fleet.job().state == "assigned"


def test_the_second_claim_of_an_attempt_wins_nothing(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    assert not fleet.claim(worker="worker-2")
    assert not fleet.claim()
    assert fleet.attempt().worker == WORKER


def test_an_abandoned_attempt_cannot_be_claimed(fleet: Fleet) -> None:
    fleet.submit()
    fleet.assign()
    fleet.wait(TIMERS.claim)
    fleet.rescue()
    assert not fleet.claim()


# --- sync ---


def status(number: int = 1, phase: str | None = None, done: float | None = None) -> AttemptStatus:
    progress = Progress(done=done) if done is not None else None
    return AttemptStatus(job_id="job", attempt=number, worker=WORKER, phase=phase, progress=progress)


def test_a_sync_extends_the_lease_and_keeps_what_is_said(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    fleet.wait(6)
    kept = fleet.do(jobs.keep_alive, HOST, [status(phase="loading", done=3)], TIMERS.lease)
    assert kept == {AttemptRef(job_id="job", attempt=1): False}
    assert fleet.attempt().lease_until == fleet.now + TIMERS.lease
    assert (fleet.job().phase, fleet.job().progress) == ("loading", {"done": 3.0, "unit": ""})


def test_what_is_not_said_again_is_not_forgotten(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    fleet.do(jobs.keep_alive, HOST, [status(phase="work", done=3)], TIMERS.lease)
    fleet.do(jobs.keep_alive, HOST, [status(phase="writing")], TIMERS.lease)
    assert (fleet.job().phase, fleet.job().progress) == ("writing", {"done": 3.0, "unit": ""})


def test_a_sync_says_that_somebody_wants_it_cancelled(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    fleet.do(jobs.cancel, "job")
    assert fleet.do(jobs.keep_alive, HOST, [status()], TIMERS.lease) == {AttemptRef(job_id="job", attempt=1): True}


def test_a_sync_keeps_nothing_that_is_not_its_own(fleet: Fleet) -> None:
    fleet.submit()
    fleet.assign()
    assert fleet.do(jobs.keep_alive, HOST, [status()], TIMERS.lease) == {}
    fleet.claim()
    assert fleet.do(jobs.keep_alive, "other", [status()], TIMERS.lease) == {}
    assert fleet.do(jobs.keep_alive, HOST, [status(2)], TIMERS.lease) == {}
    fleet.finish()
    assert fleet.do(jobs.keep_alive, HOST, [status(done=1)], TIMERS.lease) == {}
    assert fleet.job().progress is None


# --- finish ---


def test_a_success_ends_the_job_with_its_result(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    assert fleet.finish() == Verdict.ACCEPTED
    job = fleet.job()
    assert (job.state, job.result, job.result_attempt) == ("succeeded", {"attempt": 1}, 1)
    assert (job.finished_at, fleet.attempt().ended_at) == (fleet.now, fleet.now)


def test_saying_the_end_twice_is_harmless(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    fleet.finish()
    events = fleet.events()
    assert fleet.finish() == Verdict.DUPLICATE
    assert fleet.events() == events


def test_saying_the_end_twice_in_one_breath_is_harmless(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    report = FinishedAttempt(job_id="job", attempt=1, outcome=Outcome.SUCCEEDED)
    verdicts = fleet.do(jobs.finish, HOST, WORKER, [report, report], MAX_CRASHES)
    assert verdicts == [Verdict.ACCEPTED, Verdict.DUPLICATE]


def test_another_end_than_before_is_stale(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    fleet.finish()
    assert fleet.finish(Outcome.FAILED, error=FAILURE) == Verdict.STALE
    assert fleet.job().state == "succeeded"


@pytest.mark.parametrize(
    ("worker", "host", "number"),
    [
        pytest.param("worker-2", HOST, 1, id="another worker"),
        pytest.param(WORKER, "other", 1, id="another host"),
        pytest.param(WORKER, HOST, 2, id="another attempt"),
    ],
)
def test_a_result_from_anybody_else_is_stale(fleet: Fleet, worker: str, host: str, number: int) -> None:
    fleet.submit()
    fleet.start()
    assert fleet.finish(worker=worker, host=host, number=number) == Verdict.STALE
    assert fleet.job().state == "running"


def test_a_result_that_comes_after_the_lease_is_stale(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    fleet.wait(TIMERS.lease)
    fleet.rescue()
    assert fleet.finish() == Verdict.STALE
    fleet.start()
    assert fleet.finish() == Verdict.STALE
    assert fleet.finish(number=2) == Verdict.ACCEPTED
    assert fleet.job().result_attempt == 2


def test_a_failure_is_tried_again_after_a_while_until_it_was_tried_often_enough(fleet: Fleet) -> None:
    fleet.submit(max_failures=3)
    for number in (1, 2):
        fleet.start()
        fleet.finish(Outcome.FAILED, number, error=FAILURE)
        job = fleet.job()
        assert (job.state, job.failures) == ("queued", number)
        assert job.not_before is not None
        fleet.wait(job.not_before - fleet.now)
    fleet.start()
    fleet.finish(Outcome.FAILED, 3, error=FAILURE)
    assert (fleet.job().state, fleet.job().error) == ("failed", FAILURE.model_dump())


def test_a_failure_that_can_never_get_better_is_not_tried_again(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    fleet.finish(Outcome.FAILED, error=MISTAKE)
    assert (fleet.job().state, fleet.job().failures) == ("failed", 1)


def test_three_crashes_are_a_loop(fleet: Fleet) -> None:
    fleet.submit()
    for number in (1, 2, 3):
        fleet.start()
        fleet.finish(Outcome.FAILED, number, error=CRASH)
        fleet.wait(400)
    job = fleet.job()
    assert (job.state, job.failures, job.crashes) == ("failed", 0, 3)
    assert (job.error or {})["code"] == "crash_loop"


def test_work_that_is_handed_back_is_queued_at_once_and_counts_for_nothing(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    fleet.finish(Outcome.RELEASED)
    job = fleet.job()
    assert (job.state, job.failures, job.crashes, job.not_before) == ("queued", 0, 0, None)
    assert fleet.attempt().state == "abandoned"


def test_many_ends_are_settled_at_once(fleet: Fleet) -> None:
    ids = [f"job-{n}" for n in range(60)]
    fleet.submit(*ids)
    fleet.do(jobs.assign, fleet.fence, [Placement(i, HOST, "echo", None, 1) for i in ids], TIMERS)
    fleet.do(jobs.claim, HOST, WORKER, [AttemptRef(job_id=i, attempt=1) for i in ids], TIMERS.lease)
    reports = [FinishedAttempt(job_id=i, attempt=1, outcome=Outcome.SUCCEEDED, result={"id": i}) for i in ids]
    assert set(fleet.do(jobs.finish, HOST, WORKER, reports, MAX_CRASHES)) == {Verdict.ACCEPTED}
    assert fleet.job("job-59").result == {"id": "job-59"}


# --- checkpoint ---


def keep(fleet: Fleet, *indexes: int, number: int = 1, worker: str = WORKER) -> bool:
    items = [Item(index=index, data={"by": number}) for index in indexes]
    return fleet.do(jobs.checkpoint, HOST, worker, AttemptRef(job_id="job", attempt=number), items)


def kept(fleet: Fleet) -> dict[int, int]:
    with fleet.database.read() as session:
        return {row.index: row.attempt for row in session.scalars(select(Result).where(Result.job_id == "job"))}


def test_a_finished_piece_outlives_its_attempt_and_is_kept_once(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    assert keep(fleet, 0, 1)
    assert keep(fleet, 1, 2)
    fleet.wait(TIMERS.lease)
    fleet.rescue()
    fleet.start()
    assert keep(fleet, 2, 3, number=2)
    assert kept(fleet) == {0: 1, 1: 1, 2: 1, 3: 2}


def test_a_piece_named_twice_in_one_breath_is_kept_once(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    assert keep(fleet, 5, 5)
    assert kept(fleet) == {5: 1}


def test_a_piece_of_an_old_attempt_is_refused(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    assert not keep(fleet, 0, worker="worker-2")
    assert not keep(fleet, 0, number=2)
    fleet.wait(TIMERS.lease)
    fleet.rescue()
    assert not keep(fleet, 0)
    assert kept(fleet) == {}


# --- rescue ---


def test_an_attempt_is_lost_when_its_lease_is_over_and_not_before(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    fleet.wait(TIMERS.lease - 0.1)
    assert fleet.rescue() == []
    fleet.wait(0.1)
    assert fleet.rescue() == [AttemptRef(job_id="job", attempt=1)]
    assert (fleet.attempt().state, fleet.job().state, fleet.job().crashes) == ("lost", "queued", 1)


def test_an_attempt_nobody_claims_is_abandoned_and_counts_for_nothing(fleet: Fleet) -> None:
    fleet.submit()
    fleet.assign()
    fleet.wait(TIMERS.claim - 0.1)
    assert fleet.rescue() == []
    fleet.wait(0.1)
    fleet.rescue()
    assert (fleet.attempt().state, fleet.job().state, fleet.job().crashes) == ("abandoned", "queued", 0)


def test_the_attempts_of_a_dead_worker_are_lost_at_once(fleet: Fleet) -> None:
    fleet.submit("job", "other", "waiting")
    fleet.start()
    fleet.assign("other")
    fleet.claim(job_id="other", worker="worker-2")
    fleet.assign("waiting")
    assert fleet.do(jobs.workers_of, HOST) == {WORKER, "worker-2"}
    assert fleet.do(jobs.lose, "elsewhere", [WORKER], MAX_CRASHES, "gone") == []
    assert fleet.do(jobs.lose, HOST, [WORKER], MAX_CRASHES, "gone") == [AttemptRef(job_id="job", attempt=1)]
    assert [fleet.job(i).state for i in ("job", "other", "waiting")] == ["queued", "running", "assigned"]


# --- people ---


def test_a_waiting_job_is_cancelled_at_once(fleet: Fleet) -> None:
    fleet.submit()
    assert fleet.do(jobs.cancel, "job") == "cancelled"
    assert fleet.job().finished_at == fleet.now


def test_an_assigned_job_is_cancelled_before_its_worker_hears_of_it(fleet: Fleet) -> None:
    fleet.submit()
    fleet.assign()
    assert fleet.do(jobs.cancel, "job") == "cancelled"
    assert fleet.attempt().state == "cancelled"
    assert not fleet.claim()


def test_a_running_job_is_asked_to_stop_and_is_cancelled_when_it_has(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    assert fleet.do(jobs.cancel, "job") == "running"
    assert fleet.do(jobs.cancel, "job") == "running"
    assert fleet.events().count("job.cancelling") == 1
    assert fleet.finish(Outcome.CANCELLED) == Verdict.ACCEPTED
    assert fleet.job().state == "cancelled"


@pytest.mark.parametrize("how", [Outcome.FAILED, Outcome.RELEASED])
def test_whatever_ends_a_job_that_was_to_be_cancelled_cancels_it(fleet: Fleet, how: Outcome) -> None:
    fleet.submit()
    fleet.start()
    fleet.do(jobs.cancel, "job")
    fleet.finish(how, error=FAILURE)
    assert fleet.job().state == "cancelled"


def test_a_lost_job_that_was_to_be_cancelled_is_cancelled(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    fleet.do(jobs.cancel, "job")
    fleet.wait(TIMERS.lease)
    fleet.rescue()
    assert fleet.job().state == "cancelled"


def test_a_success_wins_over_a_cancel_that_came_later(fleet: Fleet) -> None:
    fleet.submit()
    fleet.start()
    fleet.do(jobs.cancel, "job")
    assert fleet.finish() == Verdict.ACCEPTED
    assert fleet.job().state == "succeeded"
    with pytest.raises(Conflict):
        fleet.do(jobs.cancel, "job")


def test_a_cancelled_job_can_be_cancelled_again_an_unknown_one_cannot(fleet: Fleet) -> None:
    fleet.submit()
    fleet.do(jobs.cancel, "job")
    assert fleet.do(jobs.cancel, "job") == "cancelled"
    with pytest.raises(NotFound):
        fleet.do(jobs.cancel, "no-such-job")


def test_a_retry_counts_attempts_on_and_starts_everything_else_anew(fleet: Fleet) -> None:
    fleet.submit(max_failures=1)
    fleet.start()
    keep(fleet, 0)
    fleet.finish(Outcome.FAILED, error=FAILURE)
    fleet.do(jobs.retry, "job")
    job = fleet.job()
    assert (job.state, job.attempt, job.failures, job.crashes, job.error) == ("queued", 1, 0, 0, None)
    fleet.start()
    assert fleet.finish() == Verdict.STALE
    assert fleet.finish(number=2) == Verdict.ACCEPTED
    assert kept(fleet) == {0: 1}


def test_a_cancelled_job_can_be_retried(fleet: Fleet) -> None:
    fleet.submit()
    fleet.do(jobs.cancel, "job")
    fleet.do(jobs.retry, "job")
    assert (fleet.job().state, fleet.job().cancel_requested_at) == ("queued", None)
    fleet.start()


def test_only_what_failed_or_was_cancelled_is_retried(fleet: Fleet) -> None:
    fleet.submit()
    with pytest.raises(Conflict):
        fleet.do(jobs.retry, "job")
    fleet.assign()
    with pytest.raises(Conflict):
        fleet.do(jobs.retry, "job")
    fleet.claim()
    with pytest.raises(Conflict):
        fleet.do(jobs.retry, "job")
    fleet.finish()
    with pytest.raises(Conflict):
        fleet.do(jobs.retry, "job")
    with pytest.raises(NotFound):
        fleet.do(jobs.retry, "no-such-job")


def test_a_transaction_that_fails_leaves_nothing_behind(fleet: Fleet) -> None:
    def fail(session: Session) -> None:
        jobs.assign(session, fleet.fence, [Placement("job", HOST, "echo", None, 1)], TIMERS)
        raise RuntimeError

    fleet.submit()
    with pytest.raises(RuntimeError):
        fleet.do(fail)
    assert (fleet.job().state, fleet.events()) == ("queued", ["job.queued"])
