"""Processes are ended for sure, and only the right ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from workers.agent.reaper import Register, end, find, reap_runs
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


def test_a_process_that_ignores_sigterm_is_gone_when_end_returns() -> None:
    process = _sleeper()
    assert end(process.pid, psutil.Process(process.pid).create_time())
    assert not psutil.pid_exists(process.pid)
    process.wait(30)


def test_a_recycled_pid_is_left_alone() -> None:
    process = _sleeper()
    assert not end(process.pid, psutil.Process(process.pid).create_time() - 5)
    assert process.poll() is None
    process.kill()
    process.wait()


def test_a_gone_process_is_no_error() -> None:
    process = _sleeper()
    born = psutil.Process(process.pid).create_time()
    process.kill()
    process.wait()
    assert find(process.pid, born) is None
    assert not end(process.pid, born)


def test_reaped_runs_are_named_with_their_generation() -> None:
    process = _sleeper()
    record = RunProcessRecord(
        run_id="run_1", generation=3, pid=process.pid, created=psutil.Process(process.pid).create_time()
    )
    [ref] = reap_runs([record])
    assert (ref.run_id, ref.generation) == ("run_1", 3)
    assert not psutil.pid_exists(process.pid)
    process.wait(30)


def test_the_next_agent_ends_what_a_killed_one_left_behind(tmp_path: Path) -> None:
    worker, run = _sleeper(), _sleeper()
    born = [psutil.Process(p.pid).create_time() for p in (worker, run)]
    record = RunProcessRecord(run_id="run_1", generation=1, pid=run.pid, created=born[1])
    Register(tmp_path / "processes.json").write([(worker.pid, born[0])], [record])
    assert Register(tmp_path / "processes.json").end_leftovers() == 2
    assert not psutil.pid_exists(worker.pid)
    worker.wait(30)
    assert not psutil.pid_exists(run.pid)
    run.wait(30)


def test_a_broken_list_of_processes_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    path.write_text("{", encoding="utf-8")
    assert Register(path).end_leftovers() == 0
