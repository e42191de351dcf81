"""Joules of jobs and requests on a host whose counters are files, and whose power the test decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.power import Meter
from tests.stack import Stack, running
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

_IDLE, _BUSY = 10.0, 30.0
_SECONDS = 3.0
_ASKED: dict[str, Any] = {
    "model": "echo",
    "messages": [{"role": "user", "content": "one two"}],
    "echo": {"latency_ms": 1000 * _SECONDS},
}


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[Meter]:
    with Meter(tmp_path / "powercap", _IDLE) as meter:
        yield meter


@pytest.fixture
def stack(tmp_path: Path, meter: Meter) -> Iterator[Stack]:
    with running(tmp_path, environment={"CIDERMILL_POWERCAP": str(tmp_path / "powercap")}) as stack:
        yield stack


def _telemetry(stack: Stack) -> dict[str, Any]:
    return dict(stack.get("/v1/hosts/alpha")["telemetry"])


def _joules(stack: Stack) -> float | None:
    rows = stack.get("/v1/usage")["data"]
    return rows[0]["joules"] if rows else None


def test_what_work_uses_above_idle_is_in_results_usage_and_metrics(stack: Stack, meter: Meter) -> None:
    eventually(lambda: "idle_watts" in _telemetry(stack), 60.0)
    seen = _telemetry(stack)
    assert seen["idle_watts"] == pytest.approx(_IDLE, rel=0.2)
    assert seen["power_source"] == "rapl"
    # The next word of the agent reaches the workers, too.
    eventually(lambda: _telemetry(stack)["joules"] > seen["joules"], 30.0)

    meter.watts = _BUSY
    job = stack.submit("inference", model="echo", requests=[{k: v for k, v in _ASKED.items() if k != "model"}])
    eventually(lambda: stack.job(job)["state"] == "succeeded", 60.0)
    result = stack.job(job)["result"]
    assert result["joules"] == pytest.approx((_BUSY - _IDLE) * _SECONDS, rel=0.35)
    eventually(lambda: _joules(stack) == result["joules"], 30.0)

    stack.post("/v1/chat/completions", _ASKED)
    eventually(lambda: (_joules(stack) or 0) > result["joules"], 30.0)
    asked = (_joules(stack) or 0) - result["joules"]
    # All that was used between two reports is the only request's, also what a busy test machine used around it.
    assert (_BUSY - _IDLE) * _SECONDS * 0.6 < asked < (_BUSY - _IDLE) * (_SECONDS + 15.0)

    metrics = stack.http.get("/metrics").text
    assert 'cidermill_host_power_watts{host="alpha"}' in metrics
    assert 'cidermill_host_energy_joules_total{host="alpha"}' in metrics
