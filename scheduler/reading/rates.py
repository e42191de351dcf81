"""Measured seconds of models on runtimes: of jobs that succeeded lately, of runs that became ready."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median

from sqlalchemy import Connection, select

from scheduler.views import Rate
from shared.tables import Attempt, Job, Run
from shared.vocabulary import AttemptState, JobState

#: The newest looked at.
_JOBS, _LOADS = 500, 200
#: Seconds that rates are believed: they change slowly, and are dear to read.
_FRESH = 15.0

_job, _attempt, _run = Job.__table__.c, Attempt.__table__.c, Run.__table__.c
_DONE = (
    select(_job.model_id, _attempt.runtime, _attempt.ended_at - _attempt.started_at)
    .join(_attempt.job_id.table, (_attempt.job_id == _job.id) & (_attempt.number == _job.result_attempt))
    .where(_job.state == JobState.SUCCEEDED, _job.model_id.is_not(None), _attempt.state == AttemptState.SUCCEEDED)
    .order_by(_job.id.desc())
    .limit(_JOBS)
)
_LOADED = (
    select(_run.model_id, _run.runtime, _run.load_seconds)
    .where(_run.load_seconds.is_not(None), _run.runtime.is_not(None))
    .order_by(_run.id.desc())
    .limit(_LOADS)
)


class Rates:
    """Remembered for a while."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Rate] = {}
        self._until = 0.0

    def read(self, connection: Connection, moment: float, *, whole: bool) -> dict[tuple[str, str], Rate]:
        """By model id and runtime; read anew when they are old, and only by a `whole` look."""
        if whole and moment >= self._until:
            jobs, loads = _medians(connection.execute(_DONE)), _medians(connection.execute(_LOADED))
            self._known = {key: Rate(jobs.get(key), loads.get(key)) for key in {*jobs, *loads}}
            self._until = moment + _FRESH
        return self._known


def _medians(rows: Iterable[tuple[str, str, float]]) -> dict[tuple[str, str], float]:
    seconds: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for model_id, runtime, took in rows:
        seconds[model_id, runtime].append(max(0.0, took))
    return {key: median(values) for key, values in seconds.items()}
