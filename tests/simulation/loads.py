"""The runs of one worker: loaded, watched, ended; memory is free before anybody says so."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from shared.errors import Problem
from shared.protocol import RunAction, RunEvent, RunRef, RunReport, RunStatus
from shared.runs import state as runs
from shared.runtimes import Endpoint
from shared.tables import Run
from tests.simulation.attempts import CRASH
from tests.simulation.ledger import Key
from tests.simulation.process import Process
from tests.simulation.world import SETTINGS, TRUST, Lost

if TYPE_CHECKING:
    from tests.simulation.worker import Worker


@dataclass
class Load:
    """What a worker knows of a run it was told to start."""

    ref: RunRef
    memory: int
    slots: int
    #: The worker may act on it until then.
    trusted_until: float
    stopping: bool = False

    @property
    def key(self) -> Key:
        return self.ref.run_id, self.ref.generation


class Loads:
    """Everything this worker was told to start and has not yet ended."""

    def __init__(self, worker: Worker) -> None:
        self._worker, self._world = worker, worker.world
        self._live: dict[Key, Load] = {}

    def __bool__(self) -> bool:
        return bool(self._live)

    def held(self) -> list[Key]:
        return [*self._live]

    def statuses(self) -> list[RunStatus]:
        return [
            RunStatus(run_id=run_id, generation=generation, worker=self._worker.id, memory=load.memory)
            for (run_id, generation), load in self._live.items()
        ]

    def trust(self, kept: set[Key], until: float) -> None:
        for key in kept & self._live.keys():
            self._live[key].trusted_until = until

    # --- wishes ---

    def tend(self, ref: RunRef) -> None:
        """Ask what a run wants."""
        load = self._live.get((ref.run_id, ref.generation))
        if load is not None and load.stopping:
            return
        host, worker = self._worker.machine.name, self._worker.id
        try:
            action, run = self._world.call(
                worker,
                "tend",
                lambda session: runs.tend(session, host, worker, ref, SETTINGS.lease_seconds),
                lambda answer: self._world.ledger.started(ref, worker) if answer[0] == RunAction.START else None,
                host=host,
            )
        except Lost:
            return
        if action == RunAction.START and run is not None and load is None:
            self._start(ref, run)
        elif action == RunAction.STOP:
            self._stop(ref)

    def drop(self, key: Key) -> None:
        """Given up by the front door: end it; the agent says when it is gone."""
        if self._live.pop(key, None):
            self._world.processes.pop(key, None)

    def end_all(self) -> None:
        for load in list(self._live.values()):
            self._end(load, RunEvent.STOPPED)

    def lose_process(self, key: Key) -> None:
        """A process ended by itself, and is reaped: its worker sees it."""
        if load := self._live.get(key):
            self._worker.soon(self._world.between(0.0, 0.3), partial(self._end, load, RunEvent.FAILED))

    # --- the life of a load ---

    def _start(self, ref: RunRef, run: Run) -> None:
        load = Load(ref, run.memory_need, run.slots, self._world.loop.now + TRUST)
        self._live[load.key] = load
        self._worker.soon(self._world.between(0.0, 0.2), partial(self._spawn, load))

    def _spawn(self, load: Load) -> None:
        """The process starts, unless the wish is so old that somebody may have given it up."""
        if not self._wanted(load):
            return
        if self._world.loop.now > load.trusted_until:
            self._end(load, RunEvent.FAILED)
            return
        self._world.processes[load.key] = Process(self._worker.machine.name, self._worker.id, load.memory)
        self._world.say(self._worker.id, "spawn", load.key)
        self._world.ledger.compare_memory(self._world.processes)
        self._worker.soon(self._world.between(0.2, 3.0), partial(self._ready, load))

    def _ready(self, load: Load) -> None:
        if not self._wanted(load):
            return
        if load.key not in self._world.processes or self._world.chance("failed load", self._world.faults.failure):
            self._end(load, RunEvent.FAILED)
            return
        endpoint = Endpoint(url="http://127.0.0.1:1", served_name="m", slots=load.slots, context=1)
        self._report(load.ref, RunEvent.READY, endpoint)

    def _stop(self, ref: RunRef) -> None:
        load = self._live.get((ref.run_id, ref.generation))
        if load is None:
            self._report(ref, RunEvent.STOPPED)
        elif not load.stopping:
            load.stopping = True
            self._worker.soon(self._world.between(0.05, 1.0), partial(self._end, load, RunEvent.STOPPED))

    def _end(self, load: Load, event: RunEvent) -> None:
        if self._live.get(load.key) is load:
            self.drop(load.key)
            self._report(load.ref, event, error=CRASH if event == RunEvent.FAILED else None)

    def _wanted(self, load: Load) -> bool:
        return self._live.get(load.key) is load and not load.stopping

    def _report(
        self, ref: RunRef, event: RunEvent, endpoint: Endpoint | None = None, error: Problem | None = None
    ) -> None:
        report = RunReport(
            run_id=ref.run_id,
            generation=ref.generation,
            worker=self._worker.id,
            event=event,
            endpoint=endpoint,
            error=error,
        )
        self._worker.outbox.send(report)
