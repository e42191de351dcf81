"""A worker process: claims, runs, reports, tends its runs. It may be killed or paused between any two actions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.errors import Problem
from shared.jobs import state as jobs
from shared.jobs.state import Dispatched
from shared.protocol import (
    AttemptRef,
    AttemptStatus,
    FinishedAttempt,
    Item,
    Outcome,
    RunAction,
    RunEvent,
    RunRef,
    RunReport,
    RunStatus,
    Verdict,
)
from shared.runs import state as runs
from shared.runtimes import Endpoint
from shared.tables import Attempt, Result, Run
from tests.simulation.lanes import Message
from tests.simulation.ledger import Key, deny
from tests.simulation.load import Execution, Load, Process
from tests.simulation.world import SETTINGS, Lost, World

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

Report = FinishedAttempt | RunReport | tuple[AttemptRef, list[Item]]

#: Seconds by which a worker gives up its lease before the front door does.
MARGIN = 1.0

_CRASH = Problem(code="run_died", what="The run died", retryable=True, crash=True)
_FAILURE = Problem(code="bad_luck", what="It went wrong", retryable=True)
_MISTAKE = Problem(code="bad_input", what="It can never work")


class Worker:
    """One process of one lane."""

    def __init__(self, world: World, machine: Machine, runtime: str) -> None:
        self.world, self.machine, self.runtime = world, machine, runtime
        self.id = world.name("worker")
        self.lane = jobs.lane_name(machine.name, runtime)
        self.alive = True
        self.paused_until = 0.0
        self.executions: dict[Key, Execution] = {}
        self.loads: dict[Key, Load] = {}
        #: Reports in order; those before `kept` are on disk because they could not be delivered.
        self.outbox: list[Report] = []
        self.kept = 0
        self._sending = False
        world.lanes.listen(self.lane, self.on_message)

    def soon(self, seconds: float, action: Callable[[], None]) -> None:
        """Do this later, if it lives then; asleep it does it on waking up."""

        def act() -> None:
            if self.alive and self.paused_until > self.world.loop.now:
                self.world.loop.after(self.paused_until - self.world.loop.now + 0.001, act)
            elif self.alive:
                action()

        self.world.loop.after(seconds, act)

    def die(self) -> None:
        """At once; its run processes live on until somebody reaps them."""
        self.alive = False
        self.world.lanes.leave(self.lane, self.on_message)

    def pause(self, seconds: float) -> None:
        self.paused_until = max(self.paused_until, self.world.loop.now + seconds)

    # --- in ---

    def on_message(self, message: Message) -> None:
        if isinstance(message, Dispatched):
            self.soon(0.0, partial(self._claim, AttemptRef(job_id=message.job_id, attempt=message.attempt)))
        else:
            self.soon(0.0, partial(self.tend, RunRef(run_id=message.run_id, generation=message.generation)))

    def statuses(self) -> tuple[list[AttemptStatus], list[RunStatus]]:
        attempts = [
            AttemptStatus(job_id=e.job_id, attempt=e.attempt, worker=self.id, phase="work")
            for e in self.executions.values()
        ]
        loads = [
            RunStatus(run_id=load.ref.run_id, generation=load.ref.generation, worker=self.id, memory=load.memory)
            for load in self.loads.values()
        ]
        return attempts, loads

    def on_kept(self, attempts: set[Key], loads: set[Key], until: float) -> None:
        for key in attempts & self.executions.keys():
            self.executions[key].trusted_until = until
        for key in loads & self.loads.keys():
            self.loads[key].trusted_until = until

    def cancel(self, key: Key) -> None:
        if execution := self.executions.get(key):
            execution.cancelled = True

    def drop(self, key: Key) -> None:
        self.executions.pop(key, None)

    # --- attempts ---

    def _claim(self, ref: AttemptRef) -> None:
        try:
            won = self.world.call(
                self.id,
                "claim",
                partial(_claim, host=self.machine.name, worker=self.id, ref=ref),
                lambda answer: self.world.ledger.claimed(self.machine.name, self.id, [a for a, _ in answer]),
                host=self.machine.name,
            )
        except Lost:
            return
        for attempt, done in won:
            self._begin(attempt, done)

    def _begin(self, attempt: Attempt, done: set[int]) -> None:
        known = self.world.ledger.items.get(attempt.job_id, {})
        if done != set(known):
            raise deny("I9", "a claim does not bring what was finished before", attempt.job_id, attempt.number)
        pieces = self.machine.catalog.pieces(attempt.job_id)
        run = self.world.ledger.now.runs.get(attempt.run_id or "")
        execution = Execution(
            attempt.job_id,
            attempt.number,
            (run.id, run.generation) if run else None,
            [index for index in range(pieces) if index not in done],
            self.world.loop.now + SETTINGS.lease_seconds - MARGIN,
        )
        self.executions[attempt.job_id, attempt.number] = execution
        self.soon(self.world.between(0.1, 1.0), partial(self._work, execution))

    def _work(self, execution: Execution) -> None:
        """One piece, or the end."""
        key = (execution.job_id, execution.attempt)
        if self.executions.get(key) is not execution:
            return
        late = self.world.loop.now > execution.trusted_until
        if late and not self.world.chance("zombie", self.world.faults.careless):
            self.executions.pop(key)
            return
        outcome, error = self._fate(execution)
        if outcome is None:
            execution.fresh.append(execution.todo.pop(0))
            if len(execution.fresh) == 3 or not execution.todo:
                self._hand_in(execution)
            # With nothing left to go wrong nobody needs to watch at length.
            seconds = self.world.between(0.1, 0.4 if self.world.calm else 3.0)
            self.soon(seconds, partial(self._work, execution))
            return
        self.executions.pop(key)
        self.send(FinishedAttempt(job_id=key[0], attempt=key[1], outcome=outcome, error=error, result={"by": key[1]}))

    def _fate(self, execution: Execution) -> tuple[Outcome | None, Problem | None]:
        if execution.run is not None and execution.run not in self.world.processes:
            return Outcome.FAILED, _CRASH
        if execution.cancelled:
            return Outcome.CANCELLED, None
        if self.world.chance("failure", self.world.faults.failure):
            return Outcome.FAILED, _MISTAKE if self.world.chance("mistake", 0.35) else _FAILURE
        return (None, None) if execution.todo else (Outcome.SUCCEEDED, None)

    def _hand_in(self, execution: Execution) -> None:
        items = [Item(index=index, data=execution.attempt) for index in execution.fresh]
        execution.fresh = []
        self.send((AttemptRef(job_id=execution.job_id, attempt=execution.attempt), items))

    def hand_back(self) -> None:
        """Stop gracefully: what is under way is released, runs are ended, then it exits."""
        self.world.lanes.leave(self.lane, self.on_message)
        for key in list(self.executions):
            self.executions.pop(key)
            self.send(FinishedAttempt(job_id=key[0], attempt=key[1], outcome=Outcome.RELEASED))
        for key, load in list(self.loads.items()):
            self._end(key, load, RunEvent.STOPPED)
        self.soon(self.world.between(0.1, 1.0), self.die)

    # --- runs ---

    def tend(self, ref: RunRef) -> None:
        """Ask what a run wants."""
        load = self.loads.get((ref.run_id, ref.generation))
        if load is not None and load.stopping:
            return
        try:
            action, run = self.world.call(
                self.id,
                "tend",
                lambda session: runs.tend(session, self.machine.name, self.id, ref, SETTINGS.lease_seconds),
                lambda answer: self._saw_tend(ref, answer),
                host=self.machine.name,
            )
        except Lost:
            return
        if action == RunAction.START and run is not None and load is None:
            self._start(ref, run)
        elif action == RunAction.STOP:
            self.stop(ref)

    def _saw_tend(self, ref: RunRef, answer: tuple[RunAction, Run | None]) -> None:
        if answer[0] == RunAction.START:
            self.world.ledger.started(ref, self.id)

    def _start(self, ref: RunRef, run: Run) -> None:
        trusted = self.world.loop.now + SETTINGS.lease_seconds - MARGIN
        load = Load(ref, run.memory_need, run.slots, trusted)
        self.loads[ref.run_id, ref.generation] = load
        self.soon(self.world.between(0.0, 0.2), partial(self._spawn, load))

    def _spawn(self, load: Load) -> None:
        """The process starts, unless the wish is so old that somebody may have given it up."""
        key = (load.ref.run_id, load.ref.generation)
        if self.loads.get(key) is not load or load.stopping:
            return
        if self.world.loop.now > load.trusted_until:
            self._end(key, load, RunEvent.FAILED)
            return
        self.world.processes[key] = Process(self.machine.name, self.id, load.memory)
        self.world.say(self.id, "spawn", key)
        self.world.ledger.compare_memory(self.world.processes)
        self.soon(self.world.between(0.2, 3.0), partial(self._ready, load))

    def _ready(self, load: Load) -> None:
        key = (load.ref.run_id, load.ref.generation)
        if self.loads.get(key) is not load or load.stopping:
            return
        if key not in self.world.processes or self.world.chance("failed load", self.world.faults.failure):
            self._end(key, load, RunEvent.FAILED)
            return
        load.ready = True
        endpoint = Endpoint(url="http://127.0.0.1:1", served_name="m", slots=load.slots, context=1)
        self.send(self._about(load, RunEvent.READY, endpoint))

    def stop(self, ref: RunRef) -> None:
        key = (ref.run_id, ref.generation)
        load = self.loads.get(key)
        if load is None:
            self.send(RunReport(run_id=key[0], generation=key[1], worker=self.id, event=RunEvent.STOPPED))
        elif not load.stopping:
            load.stopping = True
            self.soon(self.world.between(0.05, 1.0), partial(self._end, key, load, RunEvent.STOPPED))

    def lose_process(self, key: Key) -> None:
        """A run process ended by itself, and is reaped: its worker sees it."""
        if load := self.loads.get(key):
            self.soon(self.world.between(0.0, 0.3), partial(self._end, key, load, RunEvent.FAILED))

    def drop_load(self, key: Key) -> None:
        """Given up by the front door: end it; the agent says when it is gone."""
        if self.loads.pop(key, None):
            self.world.processes.pop(key, None)
            self.world.say(self.id, "drop load", key)

    def _end(self, key: Key, load: Load, event: RunEvent) -> None:
        """Memory is free before anybody says so."""
        if self.loads.get(key) is load:
            self.world.processes.pop(key, None)
            self.loads.pop(key)
            self.send(self._about(load, event, None, _CRASH if event == RunEvent.FAILED else None))

    def _about(
        self, load: Load, event: RunEvent, endpoint: Endpoint | None = None, error: Problem | None = None
    ) -> RunReport:
        ref = load.ref
        return RunReport(
            run_id=ref.run_id, generation=ref.generation, worker=self.id, event=event, endpoint=endpoint, error=error
        )

    # --- out ---

    def send(self, report: Report) -> None:
        self.outbox.append(report)
        self._send_soon(0.01)

    def _send_soon(self, seconds: float) -> None:
        if not self._sending:
            self._sending = True
            self.soon(seconds, self._send)

    def _send(self) -> None:
        """Deliver in order; what cannot be delivered is kept on disk and tried again."""
        self._sending = False
        while self.outbox:
            try:
                accepted = deliver(self.world, self.machine.name, self.id, self.outbox[0])
            except Lost:
                self.kept = len(self.outbox)
                self._send_soon(self.world.between(0.2, 2.0))
                return
            report = self.outbox.pop(0)
            self.kept = max(0, self.kept - 1)
            if not accepted and not isinstance(report, RunReport):
                ref = report[0] if isinstance(report, tuple) else report
                self.drop((ref.job_id, ref.attempt))
            elif not accepted and isinstance(report, RunReport):
                self.drop_load((report.run_id, report.generation))


def _claim(session: Session, host: str, worker: str, ref: AttemptRef) -> list[tuple[Attempt, set[int]]]:
    won = jobs.claim(session, host, worker, [ref], SETTINGS.lease_seconds)
    done = [set(session.scalars(select(Result.index).where(Result.job_id == a.job_id))) for a in won]
    return list(zip(won, done, strict=True))


def deliver(world: World, host: str, worker: str, report: Report) -> bool:
    """Hand one report in; `False` when it was refused. Raises Lost."""
    if isinstance(report, RunReport):
        return world.call(
            worker,
            f"run {report.event}",
            lambda session: runs.report(session, host, report, SETTINGS.lease_seconds),
            lambda accepted: world.ledger.reported(report, worker) if accepted else None,
            host=host,
        )
    if isinstance(report, tuple):
        ref, items = report
        return world.call(
            worker,
            "items",
            lambda session: jobs.checkpoint(session, host, worker, ref, items),
            lambda accepted: world.ledger.checkpointed(ref, worker, items) if accepted else None,
            host=host,
        )
    verdicts = world.call(
        worker,
        f"finish {report.outcome}",
        lambda session: jobs.finish(session, host, worker, [report], SETTINGS.max_crashes),
        lambda answer: world.ledger.finished(worker, [report], answer),
        host=host,
    )
    return verdicts != [Verdict.STALE]
