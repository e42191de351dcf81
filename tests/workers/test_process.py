"""The run process, with small real children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from shared.errors import Cancelled, PortInUse, Problem, RunDied
from shared.process_birth import birth_of
from shared.runtimes import LaunchPlan
from shared.units import MIB
from tests.waiting import eventually
from workers.launch.diagnosis import COMMON, diagnose
from workers.port import free_port
from workers.process import RunProcess

#: A child that answers every GET with 200 on the port of its first argument.
_SERVER = """
import sys, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
"""

Start = Callable[..., RunProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `python -c code port`; all are ended after the test."""
    started: list[RunProcess] = []

    def begin(code: str, *, on_line: Callable[[str], None] | None = None, **plan: Any) -> RunProcess:
        port = plan.pop("port", None) or free_port()
        command = (sys.executable, "-c", code, str(port))
        full = LaunchPlan(command=command, port=port, served_name="m", slots=2, context=64, **plan)
        started.append(RunProcess.start(full, on_line))
        return started[-1]

    yield begin
    for process in started:
        process.stop(grace=0)


def why(exit_code: int | None, tail: str) -> Problem:
    return diagnose("test", COMMON, exit_code, tail)


def test_a_child_is_ready_when_it_answers(start: Start) -> None:
    process = start(_SERVER + "server.serve_forever()")
    process.wait_ready(why)
    assert process.exit_code is None
    assert process.endpoint.url == f"http://127.0.0.1:{process.plan.port}"
    assert process.endpoint.slots == 2


def test_a_child_that_ends_early_is_noticed_at_once_and_diagnosed(start: Start) -> None:
    process = start("import sys; print('half way'); sys.exit('MemoryError: no more')", ready_timeout=60)
    with pytest.raises(RunDied) as caught:
        process.wait_ready(why)
    assert caught.value.problem.code == "out_of_memory"
    assert process.exit_code == 1
    assert process.stderr_tail.splitlines() == ["half way", "MemoryError: no more"]


def test_a_child_that_never_answers_is_given_up_after_its_timeout(start: Start) -> None:
    process = start("import time; print('thinking', flush=True); time.sleep(600)", ready_timeout=0.5)
    with pytest.raises(RunDied, match="not ready after"):
        process.wait_ready(why)


def test_waiting_can_be_given_up(start: Start) -> None:
    def check() -> None:
        raise Cancelled("nobody wants it any more")

    process = start("import time; time.sleep(600)")
    with pytest.raises(Cancelled):
        process.wait_ready(why, check)


def test_a_port_that_is_taken_is_refused_before_anything_starts(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(PortInUse):
        start("raise SystemExit", port=other.getsockname()[1])


def test_a_stranger_that_answers_in_its_place_is_found_out(start: Start) -> None:
    port = free_port()
    process = start("import time; time.sleep(600)", port=port)
    stranger = subprocess.Popen((sys.executable, "-c", _SERVER + "server.serve_forever()", str(port)))
    try:
        with pytest.raises(PortInUse, match="not the run"):
            process.wait_ready(why)
    finally:
        stranger.kill()
        stranger.wait()


def test_a_command_that_does_not_exist_is_a_typed_error() -> None:
    plan = LaunchPlan(command=("/no/such/engine",), port=free_port(), served_name="m", slots=1, context=1)
    with pytest.raises(RunDied, match="cannot be started"):
        RunProcess.start(plan)


def test_every_line_is_handed_on_and_the_last_200_are_kept(start: Start) -> None:
    lines: list[str] = []
    code = "import sys\nfor n in range(500): print(n, file=sys.stderr if n % 2 else sys.stdout, flush=True)"
    process = start(code, on_line=lines.append)
    assert process.wait(60) == 0
    eventually(lambda: len(lines) == 500)
    assert process.stderr_tail.splitlines() == [str(n) for n in range(300, 500)]
    assert lines == [str(n) for n in range(500)]


def test_last_words_that_are_read_late_are_its_last_words_all_the_same(start: Start) -> None:
    """They tell why it ended; a host that is busy reads them seconds after that."""
    may_read = threading.Event()
    process = start("print('half way'); print('MemoryError: no more')", on_line=lambda _: may_read.wait(60) and None)
    assert process.wait(60) == 0
    threading.Timer(2.5, may_read.set).start()
    assert process.stderr_tail.splitlines() == ["half way", "MemoryError: no more"]


def test_a_flood_of_output_does_not_block_the_child(start: Start) -> None:
    process = start("import sys; sys.stdout.write('x' * 3_000_000)")
    assert process.wait(60) == 0


def test_memory_of_the_whole_tree_is_measured_with_its_peak(start: Start) -> None:
    code = """
import subprocess, sys
block = bytearray(b"x") * (64 << 20)
del block
child = subprocess.Popen((sys.executable, "-c", "b = bytearray(b'x') * (96 << 20); print('full', flush=True); input()"))
child.wait()
"""
    full = threading.Event()
    process = start(code, on_line=lambda line: full.set() if line == "full" else None)
    assert full.wait(60)
    usage = process.memory()
    assert usage is not None
    assert 96 * MIB < usage.current < 96 * MIB + 64 * MIB
    assert usage.peak > 160 * MIB


def test_a_process_that_is_gone_has_no_memory(start: Start) -> None:
    process = start("")
    process.wait(60)
    assert process.memory() is None


def test_stopping_lets_it_end_by_itself(start: Start) -> None:
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("armed", flush=True)
time.sleep(600)
"""
    armed = threading.Event()
    process = start(code, on_line=lambda _: armed.set())
    assert armed.wait(60)
    assert process.stop(grace=60) == 7


def test_one_that_ignores_the_wish_to_stop_is_killed_with_its_children(start: Start) -> None:
    code = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen((sys.executable, "-c", "import time; time.sleep(600)")).pid, flush=True)
time.sleep(600)
"""
    lines: list[str] = []
    process = start(code, on_line=lines.append)
    eventually(lambda: lines)
    assert process.stop(grace=0.1) == -signal.SIGKILL
    assert not _alive(int(lines[0]))


def test_stopping_twice_is_harmless(start: Start) -> None:
    process = start("import time; time.sleep(600)")
    assert process.stop(grace=60) == process.stop() == -signal.SIGTERM


def test_a_kill_from_outside_shows_as_its_signal(start: Start) -> None:
    process = start("import time; time.sleep(600)")
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    assert "SIGKILL" in why(process.exit_code, process.stderr_tail).why


def test_a_child_is_named_by_its_number_and_its_time(start: Start) -> None:
    process = start("import time; time.sleep(600)")
    assert process.birth == birth_of(process.pid)


def test_a_child_never_sees_our_secrets(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIDERMILL_HOST_TOKEN", "secret")
    monkeypatch.setenv("HF_TOKEN", "secret")
    process = start("import os; print([n for n, v in os.environ.items() if v == 'secret'])")
    process.wait(60)
    assert process.stderr_tail == "[]"


def _alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
