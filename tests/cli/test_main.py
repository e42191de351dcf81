"""The command line as a whole: help, suggestions, exit codes, three-part errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.discovery import Commands
from cli.exits import Exit
from cli.main import run
from tests.cli.running import COMMAND, cidermill

COMMANDS = sorted(path.stem for path in Path("cli/commands").glob("[!_]*.py"))


def test_help_lists_every_command_and_imports_none() -> None:
    heavy = "{'pydantic', 'httpx2', 'sqlalchemy', 'rich'} & set(sys.modules)"
    script = f"import sys; from cli.main import run; run(['--help']); print('imported:', *{heavy})"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "imported:"
    assert all(f"\n  {name} " in said for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == Exit.OK
    assert capsys.readouterr().out.startswith(f"Usage: cidermill {name}")


def test_the_first_sentence_of_each_command_fits_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])
    commands = capsys.readouterr().out.partition("Commands:")[2]
    assert "..." not in commands


def test_an_unknown_command_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["modls"]) == Exit.USAGE
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said] == ["Error", "Cause", "To fix"]
    assert "Did you mean 'models'?" in said[1]


def test_a_wrong_option_names_the_help_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["jobs", "ls", "--limit", "many"]) == Exit.USAGE
    assert "see cidermill jobs ls --help" in capsys.readouterr().err


def test_a_group_without_a_command_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["jobs"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "explain" in said
    assert "Error" not in said


def test_no_front_door_is_exit_code_3_in_three_parts(tmp_path: Path) -> None:
    done = cidermill(tmp_path, "--url", "http://127.0.0.1:9", "jobs", "ls")
    assert done.returncode == Exit.UNREACHABLE
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Error", "Cause", "To fix"]
    assert done.stdout == ""


def test_a_wrong_setting_is_exit_code_2(tmp_path: Path) -> None:
    done = cidermill(tmp_path, "config", "show", CIDERMILL_PORT="many")
    assert done.returncode == Exit.USAGE
    assert "CIDERMILL_PORT" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("CIDERMILL_API_KEY", key) for key in ("ck_secret\r", "ck_secret two", "ck_secretü")),
        *(("CIDERMILL_URL", url) for url in ("http://[::1", "secret", "ftp://secret", "localhost:8400", "http://")),
    ],
)
def test_what_cannot_be_sent_or_called_is_a_wrong_setting_and_not_shown(tmp_path: Path, name: str, value: str) -> None:
    done = cidermill(tmp_path, "jobs", "ls", **{name: value})
    assert done.returncode == Exit.USAGE
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Error", "Cause", "To fix"]
    assert name in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize("number", ["nan", "inf"])
@pytest.mark.parametrize("command", ["keys create me", "keys set me", "queues set all"])
def test_weights_are_finite(command: str, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--weight", number]) == Exit.USAGE
    assert "--weight" in capsys.readouterr().err


def test_a_file_that_cannot_be_used_is_told_in_three_parts(tmp_path: Path) -> None:
    (tmp_path / "cidermill.toml").mkdir()
    done = cidermill(tmp_path, "config", "show")
    assert done.returncode == Exit.FAILED
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Error", "Cause", "To fix"]
    assert "cidermill.toml" in done.stderr


def test_a_text_that_is_not_utf_8_is_told_in_three_parts(tmp_path: Path) -> None:
    done = cidermill(tmp_path, "--url", "http://127.0.0.1:9", "keys", "create", os.fsdecode(b"\xff"))
    assert done.returncode == Exit.FAILED
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Error", "Cause", "To fix"]


def test_a_disk_that_is_full_is_told_once(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with full.open("w") as out:
        done = subprocess.run([*COMMAND, "--help"], stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == Exit.FAILED
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Error", "Cause", "To fix"]


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMMAND, "--help"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (Exit.OK, "")


def test_commands_are_found_as_files() -> None:
    assert sorted(Commands(name="cidermill").commands) == COMMANDS


def test_help_names_values_by_words_and_not_by_types(capsys: pytest.CaptureFixture[str]) -> None:
    run(["bench", "--help"])
    said = capsys.readouterr().out
    assert "{MODEL}..." in said
    assert "--host HOST" in said
    assert "<str>" not in said


@pytest.mark.parametrize(("person", "told"), [(True, "Error: Cidermill met something"), (False, "Traceback")])
def test_what_nobody_foresaw_is_one_line_for_people_and_a_trace_for_logs(person: bool, told: str) -> None:
    script = f"import sys, cli.main as m\nsys.stderr.isatty = lambda: {person}\nm.run = lambda _: {{}}['day']\nm.main()"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert said.returncode == Exit.FAILED
    assert told in said.stderr
    assert ("Traceback" in said.stderr) is not person
