"""How SQLite finds what is alive among all that is kept: by the indexes of the live, whatever else there is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from shared.db import Database
from shared.download_share import download_share
from shared.jobs import inputs
from shared.runs import queries
from shared.tables import File

_Look = Callable[[Session], object]

#: A primary key, or an index that holds live rows only.
_FEW = re.compile(r"sqlite_autoindex_\w+ \(|ux_attempts_live|ix_attempts_|ix_runs_live|ix_runs_serving")


@pytest.fixture
def kept(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()


def plan(database: Database, look: _Look) -> list[str]:
    """The steps by which SQLite answers what `look` asks."""
    asked: list[tuple[str, Any]] = []
    with database.read() as session:
        connection = session.connection()
        note = "before_cursor_execute"
        event.listen(connection, note, lambda _, __, statement, given, *___: asked.append((statement, given)))
        look(session)
        return [
            str(step.detail)
            for statement, given in tuple(asked)
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
        ]


def walks(database: Database, look: _Look) -> list[str]:
    """The steps that see more attempts or runs with each that is over."""
    steps = [step for step in plan(database, look) if re.match(r"(SCAN|SEARCH) (attempts|runs)\b", step)]
    assert steps
    return [step for step in steps if not _FEW.search(step)]


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda session: queries.slots_used(session, ["run_a", "run_b"]), id="slots of runs"),
        pytest.param(lambda session: download_share(session, "studio", 1000), id="downloads of the fleet"),
        pytest.param(lambda session: inputs.is_for(session, "studio", File(id="a", job_id="b")), id="files of a host"),
    ],
)
def test_what_is_over_is_not_walked(kept: Database, look: _Look) -> None:
    assert walks(kept, look) == []
