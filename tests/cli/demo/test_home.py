"""The demo's folder: emptied only when it is a demo's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.demo.home import enter
from cli.up import record
from shared.errors import Conflict


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIDERMILL_HOME", "/the/users/own")
    monkeypatch.setenv("CIDERMILL_DATABASE_URL", "postgresql://the/users/own")


def test_it_becomes_the_home_and_nothing_of_the_users_settings_is_left(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    enter(home)
    assert {name: value for name, value in os.environ.items() if name.startswith("CIDERMILL_")} == {
        "CIDERMILL_HOME": str(home),
        "CIDERMILL_PORT": "0",
        "CIDERMILL_FIND_MODELS": "false",
    }
    assert Path.cwd() == home


def test_a_demos_folder_is_emptied(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    enter(home)
    (home / "left").touch()
    os.chdir(tmp_path)
    enter(home)
    assert not (home / "left").exists()


def test_a_folder_with_other_things_is_refused_and_untouched(tmp_path: Path) -> None:
    home = tmp_path / "precious"
    home.mkdir()
    (home / "thesis.txt").touch()
    with pytest.raises(Conflict, match="not a demo's folder"):
        enter(home)
    assert (home / "thesis.txt").exists()


def test_a_demo_that_runs_is_not_disturbed(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    enter(home)
    (home / "state").mkdir()
    record.write(home / "state", record.UpRecord(url="http://x", supervisor=record.Pid.of_this_process()))
    with pytest.raises(Conflict, match="is running"):
        enter(home)
