"""What downloads at work leave of the disks, and where those that wait were begun; on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from scheduler.plan import plan
from scheduler.reading.snapshot import Reader
from scheduler.views import Begun, Snapshot
from shared.db import Database
from shared.errors import DiskFull
from shared.tables import Attempt, Job
from shared.units import GIB
from shared.vocabulary import AttemptState, JobState
from tests.scheduler.rows import add_host, add_jobs


def look(database: Database) -> Snapshot:
    with database.read() as session:
        return Reader().read(session, whole=True)


def add_download(session: Session, gib: float = 10, model: str = "hf:org/m", **more: Any) -> str:
    demand = {"kind": "download", "capability": "store", "model_id": None, "model": None, "params": {"model": model}}
    [job_id] = add_jobs(session, disk=int(gib * GIB), **demand, **more)
    return job_id


def begin(
    session: Session, job_id: str, host: str = "mini", attempt: AttemptState = AttemptState.RUNNING, **job: Any
) -> None:
    """Its first attempt, and what the job's row says of it."""
    row = {"job_id": job_id, "number": 1, "state": attempt, "host": host, "runtime": "store", "epoch": 1}
    error = job.pop("attempt_error", None)
    session.execute(insert(Attempt), [{**row, "assigned_at": 0.0, "published": 0, "slots": 1, "error": error}])
    session.execute(update(Job).where(Job.id == job_id).values(attempt=1, **{"state": JobState.RUNNING, **job}))


def coming(done: float, total: float | None = 10) -> dict[str, Any]:
    """How far a download is, in GiB."""
    return {
        "phase": "downloading from studio",
        "progress": {"done": done * GIB, "unit": "bytes", **({"total": total * GIB} if total is not None else {})},
    }


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({}, 90),
        ({"phase": "resolving"}, 90),
        (coming(0), 90),
        (coming(7.5), 97.5),
        (coming(2, total=4), 98),
        (coming(2, total=None), 90),
        ({**coming(3), "phase": "checking"}, 100),
        ({**coming(10), "phase": "checking"}, 100),
    ],
)
def test_what_a_download_will_still_fill_is_nobody_elses(database: Database, said: dict[str, Any], left: float) -> None:
    with database.write() as session:
        add_host(session, "mini", disk_free=101 * GIB)
        begin(session, add_download(session), **said)
    assert look(database).hosts["mini"].disk_free == left * GIB


def test_one_that_is_not_claimed_yet_will_fill_all_that_it_needs(database: Database) -> None:
    with database.write() as session:
        add_host(session, "mini", disk_free=101 * GIB)
        begin(session, add_download(session), attempt=AttemptState.ASSIGNED, **coming(9))
    assert look(database).hosts["mini"].disk_free == 90 * GIB


def test_two_downloads_of_one_model_fill_the_disk_once(database: Database) -> None:
    with database.write() as session:
        add_host(session, "mini", disk_free=101 * GIB)
        begin(session, add_download(session), **coming(4))
        begin(session, add_download(session), attempt=AttemptState.ASSIGNED)
        begin(session, add_download(session, model="hf:org/other"), **coming(5))
    assert look(database).hosts["mini"].disk_free == 85 * GIB


def test_what_is_over_and_what_is_elsewhere_takes_nothing(database: Database) -> None:
    with database.write() as session:
        for name in ("mini", "studio"):
            add_host(session, name, disk_free=101 * GIB)
        begin(session, add_download(session), "studio", **coming(4))
        begin(session, add_download(session), attempt=AttemptState.FAILED, **{**coming(4), "state": JobState.FAILED})
    assert look(database).hosts["mini"].disk_free == 100 * GIB


@pytest.mark.parametrize(
    ("reserve", "left"), [({}, 49), ({"disk_reserve": 20 * GIB}, 30), ({"disk_reserve": 60 * GIB}, 0)]
)
def test_what_is_to_stay_free_is_nobodys(database: Database, reserve: dict[str, int], left: int) -> None:
    with database.write() as session:
        add_host(session, "mini", disk_free=50 * GIB, telemetry=reserve)
    assert look(database).hosts["mini"].disk_free == left * GIB


def test_two_downloads_are_not_promised_the_same_disk_in_two_looks(database: Database) -> None:
    with database.write() as session:
        add_host(session, "mini", disk_free=16 * GIB)
        begin(session, add_download(session), **coming(1))
        late = add_download(session, model="hf:org/other")
    decided = plan(look(database))
    assert not decided.assigns
    assert decided.blocked_jobs[late].sentence == "needs 10.0 GiB; mini has 6.0 GiB of disk left for downloads"


def test_a_download_that_waits_again_is_known_to_have_begun(database: Database) -> None:
    with database.write() as session:
        add_host(session, "mini")
        jobs = [add_download(session) for _ in range(3)]
        waits = {"state": JobState.QUEUED}
        begin(session, jobs[0], attempt=AttemptState.LOST, **waits)
        begin(session, jobs[1], attempt=AttemptState.FAILED, attempt_error={"code": DiskFull.code}, **waits)
    assert look(database).begun == {jobs[0]: Begun("mini"), jobs[1]: Begun("mini", full=True)}
