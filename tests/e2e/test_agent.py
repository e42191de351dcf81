"""The agent keeps its host: workers are restarted, hung ones replaced, and nothing outlives it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from shared.tables import Result
from tests.processes import is_over
from tests.stack import Stack, running
from tests.waiting import eventually

pytestmark = pytest.mark.e2e


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running(tmp_path, environment={"CIDERMILL_DRAIN_SECONDS": "1"}) as stack:
        yield stack


def _ready_run(stack: Stack) -> dict[str, Any]:
    stack.wait(stack.submit("inference", model="echo", prompt="warm up", stream=False))
    return next(run for run in stack.get("/v1/runs")["data"] if run["state"] == "ready")


def _slow(seconds: float, count: int = 1) -> list[dict[str, Any]]:
    message = {"messages": [{"role": "user", "content": "slow"}], "echo": {"latency_ms": int(seconds * 1000)}}
    return [message] * count


def _family(stack: Stack) -> list[psutil.Process]:
    return psutil.Process(stack.processes["alpha"].pid).children(recursive=True)


def _gone(processes: list[psutil.Process]) -> bool:
    return all(map(is_over, processes))


def _held(stack: Stack) -> psutil.Process:
    """The engine of a ready run, which answers nobody until it is resumed."""
    engine = psutil.Process(_ready_run(stack)["pid"])
    engine.suspend()
    return engine


def test_a_killed_worker_is_restarted_and_its_run_reaped_at_once(tmp_path: Path) -> None:
    """Not because its lease is over: that lasts for longer than the test."""
    with running(tmp_path, environment={"CIDERMILL_DRAIN_SECONDS": "1", "CIDERMILL_LEASE_SECONDS": "3600"}) as stack:
        run = _ready_run(stack)
        job_id = stack.submit("inference", model="echo", requests=_slow(600), stream=False)
        eventually(lambda: stack.job(job_id)["state"] == "running")
        killed = stack.worker("echo")
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: stack.job(job_id)["attempts"][0]["state"] == "lost")
        eventually(lambda: not psutil.pid_exists(run["pid"]))
        assert stack.get(f"/v1/runs/{run['id']}")["memory_held"] == 0
        eventually(lambda: stack.job(job_id)["attempt"] == 2 and stack.job(job_id)["state"] == "running")
        assert stack.worker("echo") != killed
        assert stack.job(job_id)["crashes"] == 1


def test_a_hung_worker_is_found_and_replaced(stack: Stack) -> None:
    _ready_run(stack)
    hung = stack.worker("echo")
    os.kill(hung, signal.SIGSTOP)
    job_id = stack.submit("inference", model="echo", prompt="after the nap", stream=False)
    assert stack.wait(job_id, 60)["result"]["text"] == "after the nap"
    assert not psutil.pid_exists(hung)


def test_a_killed_run_process_fails_its_jobs_over_to_a_new_one(stack: Stack) -> None:
    engine = _held(stack)
    job_id = stack.submit("inference", model="echo", prompt="slow", stream=False)
    eventually(lambda: stack.job(job_id)["state"] == "running")
    engine.kill()
    job = stack.wait(job_id, 40)
    assert (job["state"], job["attempt"], job["crashes"]) == ("succeeded", 2, 1)
    failed = stack.get(f"/v1/runs/{job['attempts'][0]['run_id']}")
    assert (failed["state"], failed["memory_held"]) == ("failed", 0)
    assert failed["error"]["what"]


def test_nothing_outlives_a_killed_agent(stack: Stack) -> None:
    _ready_run(stack)
    family = _family(stack)
    assert len(family) >= 3
    stack.kill("alpha")
    eventually(lambda: _gone(family))


def test_a_killed_agent_that_comes_back_goes_on(stack: Stack) -> None:
    _ready_run(stack)
    job_id = stack.submit("inference", model="echo", requests=_slow(8), stream=False)
    eventually(lambda: stack.job(job_id)["state"] == "running")
    stack.kill("alpha")
    stack.start("alpha")
    job = stack.wait(job_id, 60)
    assert (job["state"], job["attempt"]) == ("succeeded", 2)


def test_a_graceful_stop_hands_back_what_is_not_finished(stack: Stack) -> None:
    run = _ready_run(stack)
    job_id = stack.submit("inference", model="echo", requests=_slow(600), stream=False)
    eventually(lambda: stack.job(job_id)["state"] == "running")
    family = _family(stack)
    assert stack.stop("alpha") == 0
    assert _gone(family)
    job = stack.job(job_id)
    assert job["attempts"][0]["state"] == "abandoned"
    assert (job["state"], job["failures"], job["crashes"]) == ("queued", 0, 0)
    assert stack.get(f"/v1/runs/{run['id']}")["state"] == "stopped"


def test_a_second_signal_ends_everything_at_once(tmp_path: Path) -> None:
    with running(tmp_path, environment={"CIDERMILL_DRAIN_SECONDS": "600"}) as stack:
        _ready_run(stack)
        job_id = stack.submit("inference", model="echo", requests=_slow(600), stream=False)
        eventually(lambda: stack.job(job_id)["state"] == "running")
        family, agent = _family(stack), stack.processes.pop("alpha")
        agent.send_signal(signal.SIGTERM)
        eventually(lambda: "workers drain" in (tmp_path / "alpha.log").read_text())
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(60) == 130
        eventually(lambda: _gone(family))


def test_a_cancelled_job_leaves_the_run_to_others(stack: Stack) -> None:
    engine = _held(stack)
    victim = stack.submit("inference", model="echo", requests=_slow(600), stream=False)
    other = stack.submit("inference", model="echo", prompt="slow", stream=False)
    eventually(lambda: stack.job(victim)["state"] == stack.job(other)["state"] == "running")
    stack.post(f"/v1/jobs/{victim}/cancel")
    assert stack.wait(victim)["state"] == "cancelled"
    engine.resume()
    job = stack.wait(other)
    assert (job["state"], job["attempt"]) == ("succeeded", 1)
    run = stack.get(f"/v1/runs/{job['attempts'][0]['run_id']}")
    assert (run["state"], run["pid"]) == ("ready", engine.pid)


def test_results_that_could_not_be_reported_arrive_when_the_front_door_is_back(stack: Stack) -> None:
    engine = _held(stack)
    job_id = stack.submit("inference", model="echo", prompt="slow", stream=False)
    eventually(lambda: stack.job(job_id)["state"] == "running")
    stack.kill("api")
    engine.resume()
    spool = stack.home / "state" / "agent" / "alpha" / "spool"
    eventually(lambda: any(spool.glob("*.jsonl")))
    stack.start("api")
    job = stack.wait(job_id, 30)
    assert (job["state"], job["attempt"]) == ("succeeded", 1)


def test_a_killed_worker_costs_no_finished_item(stack: Stack) -> None:
    _ready_run(stack)
    requests = [
        {"messages": [{"role": "user", "content": f"item {n}"}], "echo": {"latency_ms": 0 if n < 20 else 600_000}}
        for n in range(24)
    ]
    job_id = stack.submit("inference", model="echo", requests=requests)
    eventually(lambda: stack.job(job_id)["items_done"] == 20)
    os.kill(stack.worker("echo"), signal.SIGKILL)
    eventually(lambda: stack.job(job_id)["attempt"] == 2 and stack.job(job_id)["state"] == "running")
    stack.post(f"/v1/jobs/{job_id}/cancel")
    with stack.database.read() as session:
        rows = session.execute(select(Result.index, Result.attempt).where(Result.job_id == job_id)).all()
    assert sorted(rows) == [(n, 1) for n in range(20)]
