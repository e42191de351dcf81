"""What a worker hands in: in order, kept on disk while nobody answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.jobs import state as jobs
from shared.protocol import AttemptRef, FinishedAttempt, Item, RunReport, Verdict
from shared.runs import state as runs
from tests.simulation.world import SETTINGS, Lost, World

if TYPE_CHECKING:
    from tests.simulation.worker import Worker

Report = FinishedAttempt | RunReport | tuple[AttemptRef, list[Item]]


class Outbox:
    """Reports of one worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker, self._world = worker, worker.world
        self._waiting: list[Report] = []
        #: How many of them are on disk, because they could not be delivered at first.
        self._kept = 0
        self._sending = False

    def send(self, report: Report) -> None:
        self._waiting.append(report)
        self._send_soon(0.01)

    def take_kept(self) -> list[Report]:
        """The worker is dead: what it had on disk; the rest died with it."""
        kept, self._waiting = self._waiting[: self._kept], []
        return kept

    def _send_soon(self, seconds: float) -> None:
        if not self._sending:
            self._sending = True
            self._worker.soon(seconds, self._send)

    def _send(self) -> None:
        self._sending = False
        while self._waiting:
            try:
                accepted = deliver(self._world, self._worker.machine.name, self._worker.id, self._waiting[0])
            except Lost:
                self._kept = len(self._waiting)
                self._send_soon(self._world.between(0.2, 2.0))
                return
            report = self._waiting.pop(0)
            self._kept = max(0, self._kept - 1)
            if not accepted:
                self._give_up(report)

    def _give_up(self, report: Report) -> None:
        """It is somebody else's now: stop and discard."""
        if isinstance(report, RunReport):
            self._worker.loads.drop((report.run_id, report.generation))
            return
        ref = report[0] if isinstance(report, tuple) else report
        self._worker.attempts.drop((ref.job_id, ref.attempt))


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
            lambda session: jobs.checkpoint(session, host, worker, ref, items) is not None,
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
