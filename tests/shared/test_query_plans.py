"""How SQLite finds what is alive among all that is kept: by the indexes of the live, whatever else there is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from api.metrics import Tables
from scheduler.prune import Pruner
from shared import catalog, hosts
from shared.db import Database
from shared.download_share import download_share
from shared.files import FileStore
from shared.jobs import inputs
from shared.runs import queries
from shared.tables import File
from shared.vocabulary import Capability
from tests.scheduler.rows import lead

_Look = Callable[[Session], object]

#: A primary key, or an index that finds live rows only, or those that are old.
_FEW = re.compile(
    r"sqlite_autoindex_\w+ \(|ux_attempts_live|ix_attempts_|ix_runs_live|ix_runs_serving"
    r"|ix_runs_held \(host=\? AND memory_held>\?\)|ix_jobs_finished_at|ix_runs_ended_at|ix_jobs_waiting|ix_jobs_share"
)


@pytest.fixture
def kept(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()


def plan(database: Database, look: _Look) -> list[str]:
    """The steps by which SQLite answers what `look` asks."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, given: Any, *___: object) -> None:
        asked.append((statement, given))

    event.listen(database.engine, "before_cursor_execute", note)
    with database.read() as session:
        look(session)
        event.remove(database.engine, "before_cursor_execute", note)
        explained = [(f"EXPLAIN QUERY PLAN {statement}", given) for statement, given in asked]
        return [str(step.detail) for one in explained for step in session.connection().exec_driver_sql(*one)]


def walks(database: Database, look: _Look) -> list[str]:
    """The steps that see more attempts, runs or jobs with each that is over."""
    steps = [step for step in plan(database, look) if re.match(r"(SCAN|SEARCH) (attempts|runs|jobs)\b", step)]
    assert steps
    return [step for step in steps if not _FEW.search(step)]


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda session: queries.slots_used(session, ["run_a", "run_b"]), id="slots of runs"),
        pytest.param(lambda session: download_share(session, "studio", 1000), id="downloads of the fleet"),
        pytest.param(lambda session: inputs.is_for(session, "studio", File(id="a", job_id="b")), id="files of a host"),
        pytest.param(catalog.ready_hosts, id="where models are ready"),
        pytest.param(lambda session: catalog.users(session, "qwen"), id="who has a model loaded"),
        pytest.param(lambda session: queries.runs(session, states=queries.LIVE), id="live runs"),
        pytest.param(
            lambda session: queries.serving(session, "qwen", Capability.GENERATE), id="runs that serve a model"
        ),
        pytest.param(lambda session: hosts.wishes(session, "studio"), id="runs that a host shall look at"),
        pytest.param(hosts.memory_held, id="memory of hosts"),
    ],
)
def test_what_is_over_is_not_walked(kept: Database, look: _Look) -> None:
    assert walks(kept, look) == []


def test_a_scrape_soon_after_another_walks_nothing_that_is_over(kept: Database) -> None:
    tables = Tables(kept)
    tables.collect()
    assert walks(kept, lambda _: tables.collect()) == []


def test_what_stays_is_not_walked_to_find_what_is_old(kept: Database, tmp_path: Path) -> None:
    fence, pruner = lead(kept), Pruner(kept, FileStore(str(tmp_path / "files")), 86400.0)
    assert walks(kept, lambda _: pruner.prune(fence)) == []
