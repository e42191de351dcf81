"""Processes are ended for sure, and only the right ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil

from shared.process_birth import birth_of
from workers.agent.reaper import Register, end, reap_runs
from workers.pipe import RunProcessRecord

_SLEEP = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def _sleeper() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(_SLEEP, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    return process


def _birth(process: subprocess.Popen[bytes]) -> str:
    return birth_of(process.pid) or ""


def test_a_process_that_ignores_sigterm_is_gone_when_end_returns() -> None:
    process = _sleeper()
    assert end(process.pid, _birth(process))
    assert not psutil.pid_exists(process.pid)
    process.wait(30)


def test_a_recycled_pid_is_left_alone() -> None:
    process = _sleeper()
    assert not end(process.pid, "another")
    assert process.poll() is None
    process.kill()
    process.wait()


def test_a_gone_process_is_no_error() -> None:
    process = _sleeper()
    born = _birth(process)
    process.kill()
    process.wait()
    assert not end(process.pid, born)


def test_reaped_runs_are_named_with_their_generation() -> None:
    process = _sleeper()
    record = RunProcessRecord(run_id="run_1", generation=3, pid=process.pid, birth=_birth(process))
    [ref] = reap_runs([record])
    assert (ref.run_id, ref.generation) == ("run_1", 3)
    assert not psutil.pid_exists(process.pid)
    process.wait(30)


def test_the_next_agent_ends_what_a_killed_one_left_behind(tmp_path: Path) -> None:
    worker, run = _sleeper(), _sleeper()
    born = [_birth(worker), _birth(run)]
    record = RunProcessRecord(run_id="run_1", generation=1, pid=run.pid, birth=born[1])
    Register(tmp_path / "processes.json").write([(worker.pid, born[0])], [record])
    assert Register(tmp_path / "processes.json").end_leftovers() == 2
    assert not psutil.pid_exists(worker.pid)
    worker.wait(30)
    assert not psutil.pid_exists(run.pid)
    run.wait(30)


def test_a_list_with_beginnings_by_the_clock_is_read(tmp_path: Path) -> None:
    """As it was written before births."""
    worker, run = _sleeper(), _sleeper()
    worker_begun, run_begun = (psutil.Process(process.pid).create_time() for process in (worker, run))
    left = {
        "workers": [[worker.pid, worker_begun]],
        "runs": [{"run_id": "run_1", "generation": 1, "pid": run.pid, "created": run_begun}],
    }
    (tmp_path / "processes.json").write_text(json.dumps(left), encoding="utf-8")
    assert Register(tmp_path / "processes.json").end_leftovers() == 2
    worker.wait(30)
    run.wait(30)


def test_a_broken_list_of_processes_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    path.write_text("{", encoding="utf-8")
    assert Register(path).end_leftovers() == 0
