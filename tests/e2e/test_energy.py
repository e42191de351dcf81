"""Joules of jobs and requests on a host whose counters are files, and whose power the test decides."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.power import Meter
from tests.stack import Stack, running
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

_IDLE, _BUSY = 10.0, 30.0
#: So long that what a report says too late or too early, of a second each, is the small part.
_SECONDS = 6.0
#: The counter is filled by a thread that a busy test machine may hold up.
_LEAST = 0.6 * (_BUSY - _IDLE) * _SECONDS
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


@dataclass
class Work:
    """Joules above idle that it can have used at most."""

    most: float = 0.0


def _telemetry(stack: Stack) -> dict[str, Any]:
    return dict(stack.get("/v1/hosts/alpha")["telemetry"])


def _joules(stack: Stack) -> float | None:
    rows = stack.get("/v1/usage")["data"]
    return rows[0]["joules"] if rows else None


@contextmanager
def _work(meter: Meter) -> Iterator[Work]:
    """The host draws more while this lasts."""
    work, began = Work(), time.monotonic()
    meter.watts = _BUSY
    try:
        yield work
    finally:
        meter.watts = _IDLE
        work.most = (_BUSY - _IDLE) * (time.monotonic() - began)


def test_what_work_uses_above_idle_is_in_results_usage_and_metrics(stack: Stack, meter: Meter) -> None:
    stack.post("/v1/chat/completions", {**_ASKED, "echo": {}})
    eventually(lambda: "idle_watts" in _telemetry(stack), 60.0)
    seen = _telemetry(stack)
    assert seen["power_source"] == "rapl"
    # So many reports that two at the edge of work change nothing.
    eventually(lambda: _telemetry(stack)["joules"] > seen["joules"] + 10 * _IDLE, 60.0)
    assert _telemetry(stack)["idle_watts"] == pytest.approx(_IDLE, rel=0.4)
    before = _joules(stack) or 0.0

    with _work(meter) as work:
        job = stack.submit("inference", model="echo", requests=[{k: v for k, v in _ASKED.items() if k != "model"}])
        eventually(lambda: stack.job(job)["state"] == "succeeded", 60.0)
    used = stack.job(job)["result"]["joules"]
    assert _LEAST < used < 1.5 * work.most
    eventually(lambda: (_joules(stack) or 0.0) == pytest.approx(before + used), 30.0)

    with _work(meter) as work:
        stack.post("/v1/chat/completions", _ASKED)
    eventually(lambda: (_joules(stack) or 0.0) > before + used + _LEAST, 30.0)
    assert (_joules(stack) or 0.0) < before + used + 1.5 * work.most

    metrics = stack.http.get("/metrics").text
    assert 'cidermill_host_power_watts{host="alpha"}' in metrics
    assert 'cidermill_host_energy_joules_total{host="alpha"}' in metrics
