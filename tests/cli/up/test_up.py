"""`cidermill up` with real processes: start, stop, crashes of every part, and the next start."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cli.exits import Exit
from cli.up import record
from tests.cli.running import COMMAND, cidermill, environment
from tests.processes import is_over
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

_SETTINGS = {"CIDERMILL_RUNTIMES": '["echo","store"]', "CIDERMILL_MEMORY": "4GiB", "CIDERMILL_DRAIN_SECONDS": "1"}


class Up:
    """A running `cidermill up` and its family of processes."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self._log = (home / "up.log").open("w")
        self.process = subprocess.Popen(
            [*COMMAND, "up", "--port", "0"],
            env=environment(home, **(_SETTINGS | settings)),
            stderr=self._log,
            stdout=self._log,
        )
        eventually(self._is_up, within=90)

    def __call__(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """A command in the same home; nobody tells it where the front door is."""
        return cidermill(self.home, *arguments, **options)

    def part(self, name: str) -> psutil.Process:
        """The process of a part, as it is written down."""
        found = record.read(self.home / "state")
        process = found.parts[name].process() if found is not None and name in found.parts else None
        assert process is not None, f"{name} does not run"
        return process

    def family(self) -> list[psutil.Process]:
        """Everything that it started, however deep."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.close()

    def close(self) -> int:
        code = self.process.wait(60)
        self._log.close()
        return code

    def _is_up(self) -> bool:
        said = (self.home / "up.log").read_text()
        assert self.process.poll() is None, said
        return "Cidermill is up at" in said


@pytest.fixture
def settings() -> dict[str, str]:
    """Of `up`, as a test wants them beside those that all have."""
    return {}


@pytest.fixture
def up(tmp_path: Path, settings: dict[str, str]) -> Iterator[Up]:
    running = Up(tmp_path, **settings)
    family = running.family()
    yield running
    with contextlib.suppress(ProcessLookupError):
        running.process.kill()
    running.close()
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def gone(family: list[psutil.Process]) -> bool:
    return all(map(is_over, family))


def test_commands_in_the_same_home_find_it_and_ctrl_c_leaves_nothing(up: Up) -> None:
    done = up("submit", "inference", "--model", "echo", "--prompt", "hello", "--follow")
    assert (done.returncode, done.stdout) == (Exit.OK, "hello\n")
    assert up("chat", "--model", "echo", "good morning").stdout == "good morning\n"
    assert up("chat", "--model", "echo", "-", stdin="piped words").stdout == "piped words\n"
    family = up.family()
    assert up.end() == Exit.OK
    assert gone(family)
    assert record.read(up.home / "state") is None


@pytest.mark.parametrize("name", ["api", "scheduler", "agent"])
def test_a_part_that_is_killed_comes_back_and_work_goes_on(up: Up, name: str) -> None:
    before = up.part(name)
    before.kill()
    eventually(lambda: _another(up, name, before), within=30)
    done = up("submit", "inference", "--model", "echo", "--prompt", "still here", "--wait", "--timeout", "60")
    assert (done.returncode, done.stdout) == (Exit.OK, "still here\n")
    assert up.end() == Exit.OK


def _another(up: Up, name: str, before: psutil.Process) -> bool:
    found = record.read(up.home / "state")
    return found is not None and name in found.parts and found.parts[name].pid != before.pid and _answers(up)


def _answers(up: Up) -> bool:
    return up("hosts", "ls").returncode == Exit.OK


def test_nothing_outlives_a_supervisor_that_was_killed_and_the_next_start_goes_on(up: Up) -> None:
    slow = '[{"prompt": "x", "echo": {"latency_ms": 60000}}]'
    job_id = up("submit", "inference", "--model", "echo", "-p", f"requests={slow}").stdout.strip()
    family = [process for process in up.family() if "valkey" not in process.name()]
    up.process.kill()
    eventually(lambda: gone(family), within=45)
    again = Up(up.home)
    try:
        assert json.loads(again("jobs", "show", job_id, "--json").stdout)["state"] != "failed"
        again("jobs", "cancel", job_id)
        assert again("jobs", "wait", job_id, "--timeout", "30").returncode == Exit.CANCELLED
    finally:
        assert again.end() == Exit.OK


@pytest.mark.parametrize("settings", [{"CIDERMILL_DRAIN_SECONDS": "600"}], ids=["patient"])
def test_a_second_ctrl_c_ends_everything_at_once(up: Up) -> None:
    slow = '[{"prompt": "x", "echo": {"latency_ms": 600000}}]'
    job_id = up("submit", "inference", "--model", "echo", "-p", f"requests={slow}").stdout.strip()
    eventually(lambda: json.loads(up("jobs", "show", job_id, "--json").stdout)["state"] == "running", within=30)
    family = up.family()
    os.kill(up.process.pid, signal.SIGINT)
    eventually(lambda: "Ctrl-C again" in (up.home / "up.log").read_text())
    os.kill(up.process.pid, signal.SIGINT)
    assert up.close() == Exit.INTERRUPTED
    eventually(lambda: gone(family))


def test_a_second_up_in_the_same_home_is_refused_and_names_the_first(up: Up) -> None:
    done = up("up", "--port", "0")
    assert done.returncode == Exit.REJECTED
    assert "already up in this home at http://127.0.0.1:" in done.stderr
    assert _answers(up)


def test_a_used_port_is_said_clearly_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = cidermill(tmp_path, "up", "--port", str(port))
    assert done.returncode == Exit.USAGE
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Error", "Cause", "To fix"]
    assert f"127.0.0.1:{port}" in done.stderr
