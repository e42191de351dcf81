"""A supervised process: restarted, stopped with grace, gone with its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from cli.up import child as children
from cli.up.child import Child, Part
from tests.waiting import eventually

_STAY = "import sys, threading; print('here', flush=True); threading.Event().wait()"
_DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_STAY}"
_LOYAL = (
    "import threading; from cli.up.parent import end_with_parent; end_with_parent(); "
    "print('here', flush=True); threading.Event().wait()"
)
_SUPERVISOR = f"""
import sys, threading
from cli.up.child import Child, Part
child = Child(Part("loyal", (sys.executable, "-c", {_LOYAL!r})), lambda name, line: print(child.pid, flush=True))
child.start()
threading.Event().wait()
"""


class Heard(list[str]):
    """What parts said; a sink."""

    def __call__(self, name: str, line: str) -> None:
        self.append(f"{name}: {line}")


def python(code: str, name: str = "part") -> Part:
    return Part(name, (sys.executable, "-c", code))


def test_what_it_says_arrives_line_by_line_with_its_name() -> None:
    heard = Heard()
    child = Child(python(_STAY), heard)
    child.start()
    eventually(lambda: "part: here" in heard)
    child.stop(5)
    assert child.pid is None


def test_a_killed_process_is_started_again_and_counted() -> None:
    heard = Heard()
    child = Child(python(_STAY), heard)
    child.start()
    eventually(lambda: "part: here" in heard)
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    eventually(lambda: heard.count("part: here") == 2)
    assert child.deaths == 1
    assert child.pid != first
    assert any("killed by SIGKILL" in line for line in heard)
    child.stop(5)


def test_one_that_will_not_stop_is_killed_after_its_patience() -> None:
    heard = Heard()
    child = Child(python(_DEAF), heard)
    child.start()
    eventually(lambda: "part: here" in heard)
    child.stop(0.1)
    assert child.pid is None
    assert any("did not stop" in line for line in heard)


@pytest.fixture
def one_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who dies is not started again before the test is over, and all that it said is heard."""
    for wait in ("_FIRST_WAIT", "_LONGEST_WAIT"):
        monkeypatch.setattr(children, wait, 600.0)
    monkeypatch.setattr(children, "_LAST_WORDS", 60.0)


@pytest.mark.usefixtures("one_life")
def test_one_that_waits_for_its_restart_is_not_started_once_stopped() -> None:
    died = threading.Event()
    child = Child(python("raise SystemExit(3)"), lambda _, line: died.set() if "exit status 3" in line else None)
    child.start()
    assert died.wait(60)
    child.stop(5)
    assert child.pid is None
    assert child.deaths == 1


@pytest.mark.usefixtures("one_life")
def test_its_last_words_are_kept() -> None:
    child = Child(python("import sys; print('no such port'); sys.exit(1)"), Heard())
    child.start()
    eventually(lambda: child.deaths)
    assert child.last_words == "no such port"
    child.stop(5)


@pytest.mark.e2e
def test_it_ends_by_itself_when_its_supervisor_is_killed() -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", _SUPERVISOR], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    with supervisor.stdout:
        loyal = psutil.Process(int(supervisor.stdout.readline()))
    supervisor.kill()
    supervisor.wait()
    loyal.wait(60)
    assert not loyal.is_running()
