"""A host dies and stays away: how long until its jobs run elsewhere."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.load.figure import Figure
from tests.stack import Stack, running
from tests.waiting import eventually

_JOBS = 4


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), hosts=("alpha", "beta")) as stack:
        body = {"messages": [{"role": "user", "content": "long"}], "echo": {"latency_ms": 60_000}}
        ids = [stack.submit("inference", model="echo", host=None, requests=[body], stream=False) for _ in range(_JOBS)]
        eventually(lambda: all(stack.job(job_id)["state"] == "running" for job_id in ids), 60.0)
        dead = _live_attempt(stack, ids[0])["host"]
        moved = [job_id for job_id in ids if _live_attempt(stack, job_id)["host"] == dead]
        began = time.monotonic()
        _kill_host(stack, dead)
        eventually(lambda: all(_runs_elsewhere(stack, job_id, dead) for job_id in moved), 60.0)
        yield Figure(
            "dead host, its jobs run elsewhere", time.monotonic() - began, "s", 15, "less", f"{len(moved)} jobs"
        )


def _kill_host(stack: Stack, host: str) -> None:
    """The power goes: agent, workers and runs, all at once, without a word."""
    family = psutil.Process(stack.processes[host].pid).children(recursive=True)
    stack.kill(host)
    for process in family:
        if process.is_running():
            process.kill()


def _live_attempt(stack: Stack, job_id: str) -> dict[str, Any]:
    return dict(stack.job(job_id)["attempts"][-1])


def _runs_elsewhere(stack: Stack, job_id: str, dead: str) -> bool:
    attempt = _live_attempt(stack, job_id)
    return bool(attempt["state"] == "running" and attempt["host"] != dead)
