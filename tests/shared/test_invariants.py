"""Each invariant is seen when it is broken, and nothing is seen when all is well."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from shared.db import Database
from shared.invariants import INVARIANTS, Violation, broken, lately_broken
from shared.tables import Attempt, Host, Job, Run
from shared.vocabulary import AttemptState, JobState, RunState
from tests.fleet import HOST, RUN, Fleet


@pytest.fixture
def busy(fleet: Fleet) -> Fleet:
    """A job that runs on a ready run, one that waits, one that has succeeded."""
    fleet.add_host()
    fleet.ready_run(slots=2)
    fleet.submit("done")
    fleet.assign("done")
    fleet.claim(job_id="done")
    fleet.finish(job_id="done")
    fleet.submit("job", "waiting")
    fleet.start(run_id=RUN)
    return fleet


def seen(fleet: Fleet, *changes: Any) -> list[Violation]:
    """What is broken after rows were changed behind the back of the state machines."""
    with fleet.database.write() as session:
        for change in changes:
            session.execute(change)
        found = broken(session)
        assert lately_broken(session) == found
        return found


def job(name: str, **values: Any) -> Any:
    return update(Job).where(Job.id == name).values(**values)


def attempt(name: str, **values: Any) -> Any:
    return update(Attempt).where(Attempt.job_id == name).values(**values)


def run(**values: Any) -> Any:
    return update(Run).where(Run.id == RUN).values(**values)


def test_nothing_is_broken_when_all_is_well(busy: Fleet) -> None:
    assert seen(busy) == []


@pytest.mark.parametrize(
    ("code", "who", "changes"),
    [
        pytest.param("I2", "job", [job("job", attempt=2), attempt("job", number=1)], id="a number too high"),
        pytest.param("I2", "waiting", [job("waiting", attempt=1)], id="a number without an attempt"),
        pytest.param("I3", "job", [job("job", state=JobState.QUEUED)], id="a queued job with a live attempt"),
        pytest.param("I3", "job", [job("job", state=JobState.FAILED)], id="an ended job with a live attempt"),
        pytest.param("I4", "job", [job("job", state=JobState.ASSIGNED)], id="states that differ"),
        pytest.param("I4", "job", [attempt("job", state=AttemptState.LOST)], id="a running job without an attempt"),
        pytest.param("I5", "done", [job("done", result_attempt=None)], id="a success without a result"),
        pytest.param("I5", "done", [attempt("done", state=AttemptState.LOST)], id="a success of a lost attempt"),
        pytest.param("I5", "done", [job("done", state=JobState.QUEUED)], id="a success that is tried again"),
        pytest.param("I6", HOST, [run(memory_held=101)], id="more memory than the budget"),
        pytest.param("I6", RUN, [run(memory_held=0)], id="a loaded run that holds nothing"),
        pytest.param("I7", "job", [attempt("job", lease_until=None)], id="an attempt without a lease"),
        pytest.param("I7", RUN, [run(lease_until=None)], id="a run without a lease"),
        pytest.param("I7", "job", [job("job", not_before=1e9)], id="a job before its time"),
        pytest.param("I8", "9", [attempt("job", epoch=9)], id="an epoch that never was"),
        pytest.param("I11", RUN, [attempt("job", slots=3)], id="more slots than the run has"),
        pytest.param("I12", "waiting", [job("waiting", cancel_requested_at=1.0)], id="a forgotten cancel"),
    ],
)
def test_what_is_broken_is_named(busy: Fleet, code: str, who: str, changes: list[Any]) -> None:
    assert (code, (who,)) in [(violation.code, violation.ids) for violation in seen(busy, *changes)]


def test_an_older_epoch_after_a_newer_one_is_seen(busy: Fleet) -> None:
    found = seen(busy, attempt("done", epoch=0), attempt("done", assigned_at=busy.now + 5))
    assert [violation.code for violation in found] == ["I8"]


def test_a_job_that_ended_while_the_clock_was_ahead_hides_no_other(busy: Fleet) -> None:
    year = 365 * 86_400
    busy.wait(year)
    for name in ("ahead", "now"):
        busy.submit(name)
        busy.assign(name)
        busy.claim(job_id=name)
        busy.finish(job_id=name)
        busy.wait(-year if name == "ahead" else 0)
    with busy.database.write() as session:
        session.execute(job("now", result_attempt=7))
        assert [violation.ids for violation in lately_broken(session)] == [("now",)]


def test_a_job_that_has_long_been_over_is_seen_by_whoever_looks_at_all(busy: Fleet) -> None:
    busy.wait(3601)
    busy.submit("young")
    busy.assign("young")
    busy.claim(job_id="young")
    busy.finish(job_id="young")
    with busy.database.write() as session:
        session.execute(job("done", result_attempt=None))
        assert [violation.ids for violation in broken(session)] == [("done",)]
        assert lately_broken(session) == []
        session.execute(job("young", result_attempt=None))
        assert [violation.ids for violation in lately_broken(session)] == [("young",)]


def test_a_run_that_nobody_was_told_about_is_seen(busy: Fleet) -> None:
    busy.create_run("placed")
    busy.place("placed", need=1)
    found = seen(busy, update(Run).where(Run.id == "placed").values(claim_by=None))
    assert [(violation.code, violation.ids) for violation in found] == [("I7", ("placed",))]


def test_company_of_an_exclusive_job_is_seen(busy: Fleet) -> None:
    busy.assign("waiting")
    found = seen(busy, job("waiting", exclusive=True))
    assert [(violation.code, violation.ids) for violation in found] == [("I13", ("waiting",))]


def test_two_live_attempts_are_seen_should_the_index_ever_be_lost(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.write() as session:
        session.execute(text("DROP INDEX ux_attempts_live"))
        session.add(Host(name=HOST, token_digest="t", budget=1, created_at=0.0))
        _two_attempts(session)
        assert "I1" in [violation.code for violation in broken(session)]
    database.close()


def _two_attempts(session: Session) -> None:
    common = {"state": JobState.RUNNING, "params": {}, "capability": "generate", "created_at": 0.0, "queued_at": 0.0}
    session.add(Job(id="job", kind="inference", attempt=2, **common))
    session.flush()
    for number in (1, 2):
        session.add(
            Attempt(
                job_id="job", number=number, state=AttemptState.RUNNING, host=HOST, runtime="echo", epoch=1,
                assigned_at=0.0, lease_until=1.0,
            )
        )  # fmt: skip
    session.flush()


def test_every_violation_says_what_and_whom_in_one_sentence(busy: Fleet) -> None:
    [violation] = seen(busy, run(state=RunState.READY, memory_held=101))
    assert str(violation) == "I6: the host's runs hold more memory than its budget (studio)"
    many = Violation("I1", "too many", tuple("abcdefg"))
    assert str(many) == "I1: too many (a, b, c, d, e and 2 more)"
    assert len({(invariant.code, invariant.sentence) for invariant in INVARIANTS}) == len(INVARIANTS)
