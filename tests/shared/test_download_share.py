"""The fleet's download rate, split over its downloads on both databases."""

from __future__ import annotations

from sqlalchemy import insert
from sqlalchemy.orm import Session

from shared.db import Database
from shared.download_share import download_share
from shared.tables import Attempt
from shared.vocabulary import AttemptState
from tests.scheduler.rows import add_jobs


def start(session: Session, host: str, state: AttemptState = AttemptState.RUNNING, runtime: str = "store") -> None:
    (job_id,) = add_jobs(session, kind="download", capability="store", model_id=None, model=None)
    row = {"job_id": job_id, "number": 1, "state": state, "host": host, "runtime": runtime, "epoch": 1}
    session.execute(insert(Attempt), [{**row, "assigned_at": 0.0, "published": 0, "slots": 1}])


def test_every_download_of_the_fleet_has_the_same_part(database: Database) -> None:
    with database.write() as session:
        for host in ("studio", "studio", "mini", "mini"):
            start(session, host)
        start(session, "mini", AttemptState.SUCCEEDED)
        start(session, "mini", runtime="llama-cpp")
        assert download_share(session, "studio", 1000) == 500
        start(session, "studio", AttemptState.ASSIGNED)
        assert download_share(session, "studio", 1000) == 600
        assert download_share(session, "mini", 1000) == 400
        assert download_share(session, "mini", None) is None


def test_an_idle_host_is_told_what_a_first_download_would_have(database: Database) -> None:
    with database.write() as session:
        assert download_share(session, "studio", 1000) == 1000
        start(session, "mini")
        assert download_share(session, "studio", 1000) == 500
        assert download_share(session, "mini", 1000) == 1000
