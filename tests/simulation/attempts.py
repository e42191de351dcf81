"""The attempts of one worker: claimed, worked on piece by piece, ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.errors import Problem
from shared.jobs import state as jobs
from shared.protocol import AttemptRef, AttemptStatus, FinishedAttempt, Item, Outcome
from shared.tables import Attempt, Result
from tests.simulation.ledger import Key, deny
from tests.simulation.world import SETTINGS, TRUST, Lost

if TYPE_CHECKING:
    from tests.simulation.worker import Worker

#: Finished pieces that are handed in together.
_TOGETHER = 3

CRASH = Problem(code="run_died", what="The run died", retryable=True, crash=True)
_FAILURE = Problem(code="bad_luck", what="It went wrong", retryable=True)
_MISTAKE = Problem(code="bad_input", what="It can never work")


@dataclass
class Execution:
    """What a worker knows of an attempt it has won."""

    ref: AttemptRef
    #: The load it runs on, if it needs one.
    run: Key | None
    todo: list[int]
    trusted_until: float
    cancelled: bool = False
    preempted: bool = False
    fresh: list[int] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return self.ref.job_id, self.ref.attempt


class Attempts:
    """Everything this worker has won and not yet ended."""

    def __init__(self, worker: Worker) -> None:
        self._worker, self._world = worker, worker.world
        self._live: dict[Key, Execution] = {}

    def statuses(self) -> list[AttemptStatus]:
        return [
            AttemptStatus(job_id=job_id, attempt=attempt, worker=self._worker.id, phase="work")
            for job_id, attempt in self._live
        ]

    def trust(self, kept: set[Key], until: float) -> None:
        for key in kept & self._live.keys():
            self._live[key].trusted_until = until

    def cancel(self, key: Key) -> None:
        if execution := self._live.get(key):
            execution.cancelled = True

    def preempt(self, key: Key) -> None:
        if execution := self._live.get(key):
            execution.preempted = True

    def drop(self, key: Key) -> None:
        self._live.pop(key, None)

    def release(self) -> None:
        """Hand everything back."""
        for execution in list(self._live.values()):
            self._finish(execution, Outcome.RELEASED)

    def claim(self, ref: AttemptRef) -> None:
        host, worker = self._worker.machine.name, self._worker.id
        try:
            won = self._world.call(
                worker,
                "claim",
                lambda session: _claim(session, host, worker, ref),
                lambda answer: self._world.ledger.claimed(host, worker, [attempt for attempt, _ in answer]),
                host=host,
            )
        except Lost:
            return
        for attempt, done in won:
            self._begin(ref, attempt, done)

    def _begin(self, ref: AttemptRef, attempt: Attempt, done: set[int]) -> None:
        if done != set(self._world.ledger.items.get(ref.job_id, {})):
            raise deny("I9", "a claim does not bring what was finished before", ref.job_id, ref.attempt)
        run = self._world.ledger.now.runs.get(attempt.run_id or "")
        pieces = self._worker.machine.catalog.pieces(ref.job_id)
        execution = Execution(
            ref,
            (run.id, run.generation) if run else None,
            [index for index in range(pieces) if index not in done],
            self._world.loop.now + TRUST,
        )
        self._live[execution.key] = execution
        self._worker.soon(self._world.between(0.1, 1.0), partial(self._work, execution))

    def _work(self, execution: Execution) -> None:
        """One piece, or the end."""
        if self._live.get(execution.key) is not execution:
            return
        late = self._world.loop.now > execution.trusted_until
        if late and not self._world.chance("zombie", self._world.faults.careless):
            self.drop(execution.key)
            return
        outcome, error = self._fate(execution)
        if outcome is not None:
            self._finish(execution, outcome, error)
            return
        execution.fresh.append(execution.todo.pop(0))
        if len(execution.fresh) == _TOGETHER or not execution.todo:
            self._hand_in(execution)
        # With nothing left to go wrong nobody needs to watch at length.
        seconds = self._world.between(0.1, 0.4 if self._world.calm else 3.0)
        self._worker.soon(seconds, partial(self._work, execution))

    def _fate(self, execution: Execution) -> tuple[Outcome | None, Problem | None]:
        if execution.run is not None and execution.run not in self._world.processes:
            return Outcome.FAILED, CRASH
        if execution.cancelled:
            return Outcome.CANCELLED, None
        if execution.preempted:
            return Outcome.RELEASED, None
        if self._world.chance("failure", self._world.faults.failure):
            return Outcome.FAILED, _MISTAKE if self._world.chance("mistake", 0.35) else _FAILURE
        return (None, None) if execution.todo else (Outcome.SUCCEEDED, None)

    def _hand_in(self, execution: Execution) -> None:
        items = [Item(index=index, data=execution.ref.attempt) for index in execution.fresh]
        execution.fresh = []
        self._worker.outbox.send((execution.ref, items))

    def _finish(self, execution: Execution, outcome: Outcome, error: Problem | None = None) -> None:
        self.drop(execution.key)
        job_id, attempt = execution.key
        report = FinishedAttempt(job_id=job_id, attempt=attempt, outcome=outcome, error=error, result={"by": attempt})
        self._worker.outbox.send(report)


def _claim(session: Session, host: str, worker: str, ref: AttemptRef) -> list[tuple[Attempt, set[int]]]:
    """What was won, with the pieces that earlier attempts finished."""
    won = jobs.claim(session, host, worker, [ref], SETTINGS.lease_seconds)
    return [(a, set(session.scalars(select(Result.index).where(Result.job_id == a.job_id)))) for a in won]
