"""Two hundred jobs while everything around them is killed: what must hold afterwards, and how to find out.

Faults are random but seeded: a worker, the scheduler, the front door or Valkey gets SIGKILL and is started again, or
Valkey is emptied. People keep submitting, with an Idempotency-Key, and try again when nobody answers.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx2
import redis
from sqlalchemy import func, select

from shared.invariants import broken
from shared.tables import Attempt, Job
from shared.vocabulary import FINAL_JOB_STATES, AttemptState, JobState
from tests.stack import Stack, end, runtime_of
from tests.waiting import eventually

_FAULT_PAUSE = (0.4, 1.2)


class Chaos:
    """One seeded storm over a stack."""

    def __init__(self, stack: Stack, seed: int, more: dict[str, Callable[[], None]] | None = None) -> None:
        self._stack = stack
        self._random = random.Random(seed)
        self.faults: dict[str, Callable[[], None]] = {
            "kill a worker": self._kill_worker,
            "kill the scheduler": lambda: self._bounce("scheduler"),
            "kill the front door": lambda: self._bounce("api"),
            "kill Valkey": self._bounce_valkey,
            "empty Valkey": self._empty_valkey,
            **(more or {}),
        }
        self.done: list[str] = []

    def storm(self, jobs: int, faults: int) -> list[str]:
        """Submit jobs and strike in turns; the ids, once all jobs are final."""
        ids = []
        per_fault = -(-jobs // faults)
        # Each sort of fault strikes once before chance decides.
        strikes = list(self.faults)
        strikes += self._random.choices(list(self.faults), k=max(0, faults - len(strikes)))
        for name in strikes[:faults]:
            for _ in range(min(per_fault, jobs - len(ids))):
                ids.append(self._submit(len(ids)))
            self.faults[name]()
            self.done.append(name)
            time.sleep(self._random.uniform(*_FAULT_PAUSE))
        eventually(lambda: self._final() >= jobs, 180.0)
        return ids

    def _submit(self, number: int) -> str:
        body = {
            "messages": [{"role": "user", "content": f"job number {number}"}],
            "echo": {"latency_ms": self._random.choice([0, 20, 200, 800])},
        }
        job = {"kind": "inference", "params": {"model": "echo", "requests": [body], "stream": False}}
        key = {"Idempotency-Key": f"chaos-{number}"}
        while True:
            try:
                response = self._stack.http.post("/v1/jobs", json=job, headers=key)
            except httpx2.TransportError:
                time.sleep(0.1)
                continue
            if response.status_code < 300:
                return str(response.json()["id"])
            if response.status_code < 500:
                raise AssertionError(response.text)
            time.sleep(0.1)

    def _kill_worker(self) -> None:
        host = self._random.choice(list(self._stack.tokens))
        for worker in self._stack.workers(host):
            if runtime_of(worker) == "echo":
                end(worker)

    def _bounce(self, name: str) -> None:
        self._stack.kill(name)
        self._stack.start(name)

    def _bounce_valkey(self) -> None:
        server = self._stack.valkey
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: not server.alive())
        server.start()

    def _empty_valkey(self) -> None:
        with redis.Redis.from_url(self._stack.valkey.url) as client:
            client.flushall()

    def _final(self) -> int:
        time.sleep(0.1)
        with self._stack.database.read() as session:
            query = select(func.count()).select_from(Job).where(Job.state.in_(FINAL_JOB_STATES))
            return int(session.scalar(query) or 0)


def verify(stack: Stack, ids: list[str]) -> dict[str, int]:
    """Every job succeeded, with its own answer, accepted once, from its last attempt. Counts for the curious."""
    assert len(set(ids)) == len(ids), "two submits became one job"
    attempts = 0
    with stack.database.read() as session:
        assert broken(session) == []
        assert int(session.scalar(select(func.count()).select_from(Job)) or 0) == len(ids)
        for number, job_id in enumerate(ids):
            job = session.get_one(Job, job_id)
            assert job.state == JobState.SUCCEEDED, (job_id, job.state, job.error)
            assert _text(job.result) == f"job number {number}", (job_id, job.result)
            tries = list(session.scalars(select(Attempt).where(Attempt.job_id == job_id)))
            good = [a.number for a in tries if a.state == AttemptState.SUCCEEDED]
            assert good == [job.attempt], (job_id, good, job.attempt)
            attempts += len(tries)
    return {"jobs": len(ids), "attempts": attempts}


def _text(result: dict[str, Any] | None) -> str:
    return str((result or {}).get("text"))
