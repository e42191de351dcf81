"""The memory guard, with processes that really hold what they say: closed, shedding, open again, and nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from shared.tables import Event, Result, Run
from shared.units import GIB, MIB
from tests.stack import Stack, running
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

_TOTAL = GIB
#: Forty seconds of work.
_ITEMS = 400


class Neighbours:
    """Other applications on the host, as large as the test says."""

    def __init__(self, script: Path) -> None:
        self._script = script
        self.use(0)

    def use(self, size: int) -> None:
        fresh = self._script.with_suffix(".new")
        fresh.write_text(json.dumps({"total": _TOTAL, "others": size}))
        fresh.replace(self._script)


@pytest.fixture
def neighbours(tmp_path: Path) -> Neighbours:
    return Neighbours(tmp_path / "memory.json")


@pytest.fixture
def stack(tmp_path: Path, neighbours: Neighbours) -> Iterator[Stack]:
    environment = {
        "CIDERMILL_MEMORY": "",
        "CIDERMILL_MEMORY_RESERVE": "0",
        "CIDERMILL_MEMORY_SCRIPT": str(tmp_path / "memory.json"),
        "CIDERMILL_DRAIN_SECONDS": "1",
    }
    with running(tmp_path, environment=environment) as stack:
        yield stack


def _host(stack: Stack) -> dict[str, Any]:
    return dict(stack.get("/v1/hosts/alpha"))


def _work(stack: Stack, memory: int, priority: str, count: int, growth: int = 0) -> str:
    """A batch on a run of its own that holds `memory`; a tenth of a second for each of `count` requests.

    Each of them adds `growth` to what the run holds.
    """
    request = {"messages": [{"role": "user", "content": "one two"}], "echo": {"latency_ms": 200}}
    spec = {"slots": 2, "params": {"memory": memory} | ({"growth": growth} if growth else {})}
    return stack.submit("inference", priority, model="echo", requests=[request] * count, spec=spec, stream=False)


def _run_with(stack: Stack, memory: int) -> Run:
    """The first run that held `memory`."""
    with stack.database.read() as session:
        runs = session.scalars(select(Run).order_by(Run.created_at)).all()
        return next(run for run in runs if run.spec["params"]["memory"] == memory)


def _results(stack: Stack, job_id: str) -> dict[int, int]:
    """Which attempt did which item."""
    with stack.database.read() as session:
        rows = session.scalars(select(Result).where(Result.job_id == job_id)).all()
        return {row.index: row.attempt for row in rows}


def _turns(stack: Stack) -> list[str]:
    with stack.database.read() as session:
        told = session.scalars(select(Event.data).where(Event.type == "host.guarded").order_by(Event.seq)).all()
    return [one["guard"] for one in told]


def test_a_host_short_of_memory_gives_up_idle_runs_then_the_least_urgent_work_and_loses_nothing(
    stack: Stack, neighbours: Neighbours
) -> None:
    idle, urgent, humble = 120 * MIB, 200 * MIB, 210 * MIB
    stack.wait(_work(stack, idle, "normal", 1))
    kept = _work(stack, urgent, "high", 200)
    eventually(lambda: len(_results(stack, kept)) > 4, 30)
    # However long the rest takes, it is at work all the time, and holds what it holds.
    engine = psutil.Process(_run_with(stack, urgent).pid)
    engine.suspend()
    shed = _work(stack, humble, "batch", _ITEMS)
    eventually(lambda: len(_results(stack, shed)) > 4, 30)
    eventually(lambda: (_host(stack)["memory_used"] or 0) > idle + urgent + humble)
    used = _host(stack)["memory_used"]

    neighbours.use(_TOTAL - int(used / 0.9))
    eventually(lambda: _run_with(stack, idle).state == "stopped")
    assert "closed" in _turns(stack)
    assert "shedding" not in _turns(stack)
    assert {stack.job(job)["attempt"] for job in (kept, shed)} == {1}

    eventually(lambda: _host(stack)["memory_used"] < used - idle)
    neighbours.use(_TOTAL - int(_host(stack)["memory_used"] * 0.99))
    eventually(lambda: stack.job(shed)["state"] == "queued")
    assert _run_with(stack, humble).stop_reason == "memory guard"
    done = _results(stack, shed)
    assert 0 < len(done) < _ITEMS
    assert stack.job(kept)["attempt"] == 1
    assert stack.job(kept)["state"] == "running"

    neighbours.use(0)
    engine.resume()
    finished = stack.wait(shed, 90)
    assert finished["state"] == "succeeded"
    # On a slow machine it may be placed once more, and give way again, before the neighbours are gone.
    assert (finished["failures"], finished["crashes"]) == (0, 0)
    assert finished["attempt"] == finished["preemptions"] + 1 > 1
    results = _results(stack, shed)
    assert set(results) == set(range(_ITEMS))
    assert {index: results[index] for index in done} == done, "what was done was not done again"
    assert stack.wait(kept, 60)["attempt"] == 1
    assert _turns(stack)[-1] == "open"
    assert _host(stack)["guard"] == "open"


def test_a_run_that_outgrows_its_estimate_ends_before_the_host_is_full_and_its_work_goes_on(stack: Stack) -> None:
    """Nobody else takes memory: the run itself does, a little with each request, until 95 % of the ceiling are used."""
    steady, growing, growth, items = 150 * MIB, 400 * MIB, 3 * MIB, 300
    kept = _work(stack, steady, "high", 900)
    shed = _work(stack, growing, "batch", items, growth)
    eventually(lambda: len(_results(stack, shed)) > 4, 30)
    # On a slow machine it takes seconds until a run is ended: two thirds of its requests are left to outgrow it by.
    eventually(lambda: _run_with(stack, growing).stop_reason == "memory guard", 60)
    done = _results(stack, shed)
    assert 0 < len(done) < items
    finished = stack.wait(shed, 90)
    assert (finished["state"], finished["failures"], finished["crashes"]) == ("succeeded", 0, 0)
    assert finished["preemptions"] == finished["attempt"] - 1 >= 1
    results = _results(stack, shed)
    assert set(results) == set(range(items))
    assert {index: results[index] for index in done} == done, "what was done was not done again"
    assert stack.job(kept)["attempt"] == 1, "the run that keeps within its estimate is left alone"
    assert "shedding" in _turns(stack)


def test_the_budget_follows_the_ceiling_and_a_run_that_fits_later_waits_for_it(
    stack: Stack, neighbours: Neighbours
) -> None:
    neighbours.use(_TOTAL - 150 * MIB)
    eventually(lambda: _host(stack)["budget"] < 150 * MIB)
    host = _host(stack)
    assert host["ceiling"] == 150 * MIB
    assert host["capacity"] == int(_TOTAL * 0.85)
    assert host["telemetry"]["ceiling_bound"] == "others"
    job = _work(stack, 200 * MIB, "normal", 1)
    eventually(lambda: stack.job(job)["blocked_by"] is not None)
    assert stack.job(job)["state"] == "queued"
    neighbours.use(0)
    assert stack.wait(job, 30)["state"] == "succeeded"


def test_what_is_measured_is_what_the_processes_hold(stack: Stack) -> None:
    stack.wait(_work(stack, 150 * MIB, "normal", 1))
    run = _run_with(stack, 150 * MIB)
    eventually(lambda: (_host(stack)["memory_used"] or 0) > 150 * MIB)
    resident = psutil.Process(run.pid).memory_info().rss
    assert _host(stack)["memory_used"] == pytest.approx(resident, rel=0.15)
