"""Commands that work on the database itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.exits import Exit
from tests.cli.running import cidermill


def test_the_database_is_made_and_found_well(tmp_path: Path) -> None:
    assert cidermill(tmp_path, "db", "upgrade").returncode == Exit.OK
    assert cidermill(tmp_path, "db", "upgrade").returncode == Exit.OK
    done = cidermill(tmp_path, "db", "check")
    assert (done.returncode, done.stdout) == (Exit.OK, "All migrations made, no invariant broken.\n")
    told = cidermill(tmp_path, "db", "check", "--json")
    assert (told.returncode, told.stdout) == (Exit.OK, '{"broken":[]}\n')


def test_a_database_without_migrations_is_said_with_the_command_that_makes_them(tmp_path: Path) -> None:
    done = cidermill(tmp_path, "db", "check")
    assert done.returncode == Exit.USAGE
    assert "To fix: run: cidermill db upgrade" in done.stderr


def test_a_database_that_is_not_there_is_exit_code_3_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://someone:very-secret@127.0.0.1:9/none"
    done = cidermill(tmp_path, "db", "check", CIDERMILL_DATABASE_URL=url)
    assert done.returncode == Exit.UNREACHABLE
    assert "very-secret" not in done.stderr
    assert done.stderr.startswith("Error: The database postgresql")


@pytest.mark.parametrize("url", ["nope", "nope://someone:very-secret@there/x"])
def test_an_address_that_is_none_of_a_database_is_a_wrong_setting(tmp_path: Path, url: str) -> None:
    done = cidermill(tmp_path, "db", "check", CIDERMILL_DATABASE_URL=url)
    assert done.returncode == Exit.USAGE
    assert "very-secret" not in done.stderr
    assert "CIDERMILL_DATABASE_URL" in done.stderr


def test_the_first_key_is_made_without_a_front_door(tmp_path: Path) -> None:
    done = cidermill(tmp_path, "keys", "create", "admin", "--role", "admin", "--local")
    assert done.returncode == Exit.OK
    assert done.stdout.startswith("ck_")
