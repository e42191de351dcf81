"""The scheduler as a process: how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from scheduler.main import run
from shared.db import Database
from shared.errors import ConfigError
from shared.settings import load_settings
from shared.tables import Leader
from tests.waiting import eventually

_ENTRY = """
import sys
from scheduler.main import run
from shared.settings import load_settings
sys.exit(run(load_settings()))
"""


@pytest.fixture
def process(tmp_path: Path, sqlite_url: str, valkey: str) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler that leads."""
    places = {"CIDERMILL_HOME": str(tmp_path), "CIDERMILL_DATABASE_URL": sqlite_url, "CIDERMILL_REDIS_URL": valkey}
    places["CIDERMILL_LEADER_SECONDS"] = "600"
    started = subprocess.Popen([sys.executable, "-c", _ENTRY], env={**os.environ, **places})
    database = Database(sqlite_url)
    try:
        eventually(lambda: _leads(database), 60.0)
        yield started
    finally:
        started.kill()
        started.wait()
        database.close()


def _leads(database: Database) -> bool:
    with database.read() as session:
        return session.scalar(select(Leader.until)) is not None


def test_it_ends_gracefully_when_it_is_told_to(process: subprocess.Popen[bytes], sqlite_url: str) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(60.0) == 0
    database = Database(sqlite_url)
    with database.read() as session:
        assert session.scalar(select(Leader.until)) == 0
    database.close()


def test_a_second_signal_ends_it_at_once(process: subprocess.Popen[bytes], sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.write() as session:
        session.execute(text("UPDATE leader SET holder = holder"))
        process.send_signal(signal.SIGTERM)
        # Giving up the lead has to wait for us, so it is still there for the second one.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)

        def ended() -> bool:
            """Two signals that come before a busy machine has handed over one are one."""
            process.send_signal(signal.SIGTERM)
            return process.poll() is not None

        eventually(ended, rarest=1.0)
        assert process.returncode == 128 + signal.SIGTERM
        session.rollback()
    database.close()


def test_without_redis_it_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CIDERMILL_REDIS_URL"):
        run(load_settings(home=tmp_path))
