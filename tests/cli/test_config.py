"""`cidermill config`: values and where they come from."""

from __future__ import annotations

import json
from pathlib import Path

from cli.exits import Exit
from tests.cli.running import cidermill


def setting(home: Path, name: str, *before: str, **environment: str) -> tuple[object, str]:
    done = cidermill(home, *before, "config", "show", name, "--json", **environment)
    found = json.loads(done.stdout)
    return found["value"], found["source"]


def test_the_environment_is_stronger_than_the_file_and_the_file_than_the_default(tmp_path: Path) -> None:
    assert setting(tmp_path, "port") == (8400, "default")
    file = tmp_path / "cidermill.toml"
    file.write_text("port = 9000\n")
    assert setting(tmp_path, "port") == (9000, str(file))
    assert setting(tmp_path, "port", CIDERMILL_PORT="9100") == (9100, "CIDERMILL_PORT")


def test_the_command_line_is_stronger_than_the_environment(tmp_path: Path) -> None:
    value, _ = setting(tmp_path, "url", "--url", "http://a:1", CIDERMILL_URL="http://b:2")
    assert value == "http://a:1"


def test_secrets_stay_hidden(tmp_path: Path) -> None:
    done = cidermill(tmp_path, "config", "show", CIDERMILL_API_KEY="ck_very_secret")
    assert "ck_very_secret" not in done.stdout
    assert "***" in done.stdout


def test_an_unknown_setting_suggests_the_nearest(tmp_path: Path) -> None:
    done = cidermill(tmp_path, "config", "show", "prot")
    assert done.returncode == Exit.NOT_FOUND
    assert "did you mean port" in done.stderr


def test_a_setting_nobody_knows_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "cidermill.toml").write_text("prot = 9000\n")
    done = cidermill(tmp_path, "config", "show")
    assert done.returncode == Exit.USAGE
    assert "prot" in done.stderr


def test_paths_are_in_the_home(tmp_path: Path) -> None:
    said = cidermill(tmp_path, "config", "path").stdout
    assert str(tmp_path / "state") in said
    assert str(tmp_path / "data") in said


def test_paths_are_told_as_json(tmp_path: Path) -> None:
    told = [json.loads(line) for line in cidermill(tmp_path, "config", "path", "--json").stdout.splitlines()]
    assert {"what": "state", "path": str(tmp_path / "state"), "exists": False} in told
