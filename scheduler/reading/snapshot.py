"""The snapshot: everything a plan depends on, in few queries that cost the same however long the queue is."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.orm import Session

from scheduler.reading.attempts import read_apart, read_attempts
from scheduler.reading.downloads import read_begun
from scheduler.reading.hosts import lanes, read_hosts, read_uses
from scheduler.reading.models import Models
from scheduler.reading.queues import read_queues
from scheduler.reading.rates import Rates
from scheduler.reading.runs import read_loads, read_runs
from scheduler.reading.waiting import Waiting
from scheduler.views import JobView, RunView, Snapshot
from shared.db import clock_time
from shared.store.speeds import read_speeds
from shared.vocabulary import Capability, RunState, Source

#: Seconds for which a failed load keeps a model from a second copy that nobody asked for by name.
_LESSON = 600.0


class Reader:
    """Reads snapshots, and remembers from one to the next what would be dear to read each time."""

    def __init__(self, *, fetch: bool = True) -> None:
        """`fetch`: models may be fetched to hosts that lack them."""
        self.waiting = Waiting()
        self._models = Models(fetch=fetch)
        self._rates = Rates()
        self._speeds: dict[tuple[str, Source], float] = {}

    def read(self, session: Session, *, whole: bool) -> Snapshot:
        """What there is now; `whole` reads the queue and the models anew instead of only what is new of them."""
        connection = session.connection()
        moment = clock_time(session)
        queues = read_queues(session)
        jobs = self.waiting.read(connection, moment, queues, whole=whole)
        apart = read_apart(connection) if any(job.shape.avoid for job in jobs) else {}
        hosts = read_hosts(connection, moment, apart)
        uses = read_uses(connection)
        runs = read_runs(connection, hosts, uses, moment)
        models = self._models.read(connection, _wanted(jobs, runs), moment, whole=whole)
        loads = read_loads(connection, _unserved(jobs, runs, moment))
        attempts = read_attempts(connection) if whole or _urgent(jobs) else ()
        rates = self._rates.read(connection, moment, whole=whole)
        if whole:
            self._speeds = read_speeds(connection)
        begun = read_begun(connection, [job.id for job in jobs if job.shape.capability == Capability.STORE])
        return Snapshot(
            moment, hosts, runs, jobs, models, lanes(uses), loads, attempts, queues, rates, begun, self._speeds
        )


def _urgent(jobs: Iterable[JobView]) -> bool:
    """Somebody waits who may take the place of others."""
    return any(job.shape.rank == 0 for job in jobs)


def _wanted(jobs: Iterable[JobView], runs: Iterable[RunView]) -> set[str]:
    """Models that jobs and pending runs wait for, and people crowd around."""
    shapes = {job.shape for job in jobs}
    wanted = {shape.model_id for shape in shapes if shape.model_id}
    wanted |= {model_id for shape in shapes for model_id, _ in shape.acquires}
    return wanted | {run.model_id for run in runs if run.host is None or run.crowded}


def _unserved(jobs: Iterable[JobView], runs: Iterable[RunView], moment: float) -> dict[str, float]:
    """Models that no ready run serves, with the time since when a job has waited for each; and crowded ones."""
    served = {run.model_id for run in runs if run.state == RunState.READY}
    since = {run.model_id: moment - _LESSON for run in runs if run.crowded}
    for job in jobs:
        model_id = job.shape.model_id
        if model_id is not None and model_id not in served:
            since[model_id] = min(job.queued_at, since.get(model_id, job.queued_at))
    return since
