"""A fleet by hand: rows brought into the states that a test is about, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.db import Database
from shared.errors import Problem
from shared.invariants import broken
from shared.jobs import state as jobs
from shared.jobs.state import Placement, Timers
from shared.leader import Fence, lead
from shared.protocol import AttemptRef, FinishedAttempt, Outcome, RunEvent, RunRef, RunReport, Verdict
from shared.runs import state as runs
from shared.runs.state import RunPlacement
from shared.runtimes import Endpoint
from shared.tables import Attempt, Event, Host, Job, Run

T = TypeVar("T")

TIMERS = Timers(lease=10.0, claim=20.0)
MAX_CRASHES = 3
HOST, WORKER, RUN = "studio", "worker-1", "run-1"


class Fleet:
    """A database whose clock stands still until the test lets time pass."""

    def __init__(self, url: str) -> None:
        self.now = 1000.0
        self.database = Database(url, clock=lambda: self.now)
        with self.database.write() as session:
            self._fence = lead(session, "scheduler-1", 1e9)

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def close(self) -> None:
        self.database.close()

    @property
    def fence(self) -> Fence:
        assert self._fence is not None
        return self._fence

    # --- reading ---

    def job(self, job_id: str = "job") -> Job:
        with self.database.read() as session:
            return session.get_one(Job, job_id)

    def attempt(self, number: int = 1, job_id: str = "job") -> Attempt:
        with self.database.read() as session:
            return session.get_one(Attempt, (job_id, number))

    def run(self, run_id: str = RUN) -> Run:
        with self.database.read() as session:
            return session.get_one(Run, run_id)

    def host(self, name: str = HOST) -> Host:
        with self.database.read() as session:
            return session.get_one(Host, name)

    def events(self) -> list[str]:
        with self.database.read() as session:
            return list(session.scalars(select(Event.type).order_by(Event.seq)))

    # --- doing ---

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction; every invariant holds after it."""
        with self.database.write() as session:
            yield session
        with self.database.read() as session:
            assert broken(session) == []

    def do(self, work: Callable[..., T], *args: Any, **more: Any) -> T:
        """Call a function of the state machines in a transaction of its own."""
        with self.write() as session:
            return work(session, *args, **more)

    def add_host(self, name: str = HOST, budget: int = 100) -> None:
        with self.write() as session:
            session.add(Host(name=name, token_digest=name, budget=budget, created_at=self.now, seen_until=1e9))

    def submit(self, *ids: str, **more: Any) -> None:
        rows = [{"id": i, "kind": "inference", "params": {}, "capability": "generate", **more} for i in ids or ("job",)]
        self.do(jobs.submit, rows)

    def assign(self, job_id: str = "job", run_id: str | None = None, slots: int = 1, host: str = HOST) -> bool:
        """Give a job to a lane; was it given?"""
        placement = Placement(job_id, host, "echo", run_id, slots)
        return bool(self.do(jobs.assign, self.fence, [placement], TIMERS))

    def claim(self, number: int = 1, job_id: str = "job", worker: str = WORKER, host: str = HOST) -> bool:
        """A worker takes an attempt; did it get it?"""
        return bool(self.do(jobs.claim, host, worker, [AttemptRef(job_id=job_id, attempt=number)], TIMERS.lease))

    def start(self, *, run_id: str | None = None, slots: int = 1) -> None:
        """The job `job`, running on `HOST` in its next attempt."""
        assert self.assign(run_id=run_id, slots=slots)
        assert self.claim(self.job().attempt)

    def finish(
        self, outcome: Outcome = Outcome.SUCCEEDED, number: int = 1, worker: str = WORKER, host: str = HOST,
        error: Problem | None = None, job_id: str = "job",
    ) -> Verdict:  # fmt: skip
        report = FinishedAttempt(
            job_id=job_id, attempt=number, outcome=outcome, error=error, result={"attempt": number}
        )
        return self.do(jobs.finish, host, worker, [report], MAX_CRASHES)[0]

    def rescue(self) -> list[AttemptRef]:
        return self.do(jobs.rescue, self.fence, MAX_CRASHES)

    def create_run(self, run_id: str = RUN, **more: Any) -> None:
        row = {"id": run_id, "model_id": "model", "model": "model", "capability": "generate", **more}
        self.do(runs.create, [row])

    def place(self, run_id: str = RUN, need: int = 40, slots: int = 2, host: str = HOST) -> bool:
        """Give a run to a host; was it given?"""
        placement = RunPlacement(run_id, host, "echo", slots, 512, need, {})
        return bool(self.do(runs.place, self.fence, [placement], TIMERS))

    def tend(self, run_id: str = RUN, generation: int = 1, worker: str = WORKER, host: str = HOST) -> str:
        """What a worker is told to do with a run."""
        ref = RunRef(run_id=run_id, generation=generation)
        return self.do(runs.tend, host, worker, ref, TIMERS.lease)[0]

    def report(
        self, event: RunEvent, run_id: str = RUN, generation: int = 1, worker: str = WORKER, host: str = HOST,
        **more: Any,
    ) -> bool:  # fmt: skip
        """A worker says what became of a run; was it heard?"""
        if event == RunEvent.READY:
            more.setdefault("endpoint", Endpoint(url="http://127.0.0.1:1", served_name="m", slots=2, context=512))
        said = RunReport(run_id=run_id, generation=generation, worker=worker, event=event, **more)
        return self.do(runs.report, host, said, TIMERS.lease)

    def ready_run(self, run_id: str = RUN, need: int = 40, slots: int = 2, host: str = HOST) -> None:
        """A run that is ready on a host."""
        self.create_run(run_id)
        assert self.place(run_id, need, slots, host)
        assert self.tend(run_id, host=host) == "start"
        endpoint = Endpoint(url="http://127.0.0.1:1", served_name="m", slots=slots, context=512)
        assert self.report(RunEvent.READY, run_id, host=host, endpoint=endpoint)
