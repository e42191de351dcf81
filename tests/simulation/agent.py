"""The agent of a host: registers, reports, supervises, reaps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from shared import hosts
from shared.host_address import Origin
from shared.protocol import AttemptRef, Register, RunRef, Sync, Synced
from tests.simulation.catalog import RUNTIMES
from tests.simulation.ledger import Key
from tests.simulation.loop import Action
from tests.simulation.outbox import deliver
from tests.simulation.worker import Worker
from tests.simulation.world import SETTINGS, TRUST, Lost, World

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_HERE = Origin("127.0.0.1")


class Agent:
    """One agent process."""

    def __init__(self, world: World, machine: Machine) -> None:
        self.world, self.machine = world, machine
        self.id = world.name("agent")
        self.alive = True
        self.paused_until = 0.0
        self.workers: list[Worker] = []
        self._dead_runs: list[RunRef] = []
        self._dead_workers: list[str] = []

    def begin(self) -> None:
        self._soon(0.0, self._register)

    def abandon(self) -> list[Worker]:
        """It is gone; its workers are not."""
        self.alive = False
        return self.workers

    def pause(self, seconds: float) -> None:
        self.paused_until = self.world.loop.now + seconds

    def _soon(self, seconds: float, action: Action) -> None:
        def act() -> None:
            if self.alive and self.paused_until > self.world.loop.now:
                self.world.loop.after(self.paused_until - self.world.loop.now + 0.001, act)
            elif self.alive:
                action()

        self.world.loop.after(seconds, act)

    # --- life ---

    def _register(self) -> None:
        said = Register(
            agent=self.id, boot_id=self.machine.boot, version="1", platform="test", memory_total=self.machine.budget,
            budget=self.machine.budget, disk_free=1, runtimes=list(RUNTIMES),
        )  # fmt: skip
        try:
            self._deliver_spool()
            self.world.call(
                self.id,
                "register",
                lambda session: hosts.register(session, self.machine.name, said, SETTINGS, _HERE),
                host=self.machine.name,
            )
        except Lost:
            self._soon(0.5, self._register)
            return
        for runtime in RUNTIMES:
            self._start_worker(runtime.name)
        self._soon(SETTINGS.sync_seconds, self._sync)

    def _start_worker(self, runtime: str) -> None:
        self.workers.append(Worker(self.world, self.machine, runtime))

    def kill_worker(self, worker: Worker) -> None:
        """kill -9; the agent notices a little later."""
        worker.die()
        self._soon(self.world.between(0.05, 1.5), partial(self._bury, worker))

    def hand_back(self, worker: Worker) -> None:
        worker.hand_back()
        self._soon(2.0, partial(self._bury, worker))

    def _bury(self, worker: Worker) -> None:
        """Its run processes end with it, then its death is told, and another one starts."""
        if worker not in self.workers:
            return
        self.machine.bury(worker)
        self.workers.remove(worker)
        for key in [key for key, process in self.world.processes.items() if process.worker == worker.id]:
            self.machine.reap(key)
            self._dead_runs.append(_ref(key))
        self._dead_workers.append(worker.id)
        self._soon(self.world.between(0.05, 2.0), partial(self._start_worker, worker.runtime))

    # --- the front door ---

    def _deliver_spool(self) -> None:
        """What dead workers could not report; refused or not, it is said once."""
        while self.machine.spool:
            worker, report = self.machine.spool[0]
            deliver(self.world, self.machine.name, worker, report)
            self.machine.spool.pop(0)

    def _sync(self) -> None:
        self._soon(2 * SETTINGS.sync_seconds if self.world.calm else SETTINGS.sync_seconds, self._sync)
        heard = [w for w in self.workers if w.alive and w.paused_until <= self.world.loop.now]
        message = Sync(
            agent=self.id,
            budget=self.machine.budget,
            attempts=[status for worker in heard for status in worker.attempts.statuses()],
            runs=[status for worker in heard for status in worker.loads.statuses()],
            dead_runs=self._dead_runs[:],
            dead_workers=self._dead_workers[:],
        )
        try:
            self._deliver_spool()
            answer = self.world.call(
                self.id,
                "sync",
                lambda session: hosts.sync(session, self.machine.name, message, SETTINGS),
                lambda synced: self.world.ledger.kept(self.machine.name, synced.kept),
                host=self.machine.name,
            )
        except Lost:
            return
        del self._dead_runs[: len(message.dead_runs)], self._dead_workers[: len(message.dead_workers)]
        self._tell(heard, answer)

    def _tell(self, workers: list[Worker], answer: Synced) -> None:
        until = self.world.loop.now + TRUST
        kept, kept_runs = {_key(ref) for ref in answer.kept}, {_run_key(ref) for ref in answer.kept_runs}
        for worker in workers:
            worker.attempts.trust(kept, until)
            worker.loads.trust(kept_runs, until)
            for ref in answer.cancel:
                worker.attempts.cancel(_key(ref))
            for ref in answer.preempt:
                worker.attempts.preempt(_key(ref))
            for ref in answer.drop:
                worker.attempts.drop(_key(ref))
            for wish in answer.wishes:
                if wish.runtime == worker.runtime:
                    worker.soon(0.0, partial(worker.loads.tend, RunRef(run_id=wish.run_id, generation=wish.generation)))
        for run in answer.drop_runs:
            self._drop(_run_key(run))

    def _drop(self, key: Key) -> None:
        """A load that was given up: whoever has it ends it, and its death is confirmed."""
        for worker in self.workers:
            worker.soon(0.0, partial(worker.loads.drop, key))
        self.machine.reap(key)
        self._dead_runs.append(_ref(key))


def _key(ref: AttemptRef) -> Key:
    return ref.job_id, ref.attempt


def _run_key(ref: RunRef) -> Key:
    return ref.run_id, ref.generation


def _ref(key: Key) -> RunRef:
    return RunRef(run_id=key[0], generation=key[1])
