"""The jobs that wait, kept in memory between looks: reading thousands for each that ends would be the whole cost.

A whole read, about once a second, is the truth. In between only newer jobs are read; a job that was cancelled
meanwhile is refused by the guards, one that came back is found by the next whole read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, Select, Text, cast, func, select
from sqlalchemy.orm import Session

from scheduler.views import JobView, Shape
from shared.runtimes import RunSpec
from shared.tables import Job, is_waiting_job
from shared.vocabulary import Capability, Priority

#: Jobs held at once, the first in order; and below which a longer queue is read again.
WINDOW = 2000
_REFILL = 500
#: Jobs added from beyond the window, of kinds that are not in it: a thousand blocked jobs must not hide others.
_BEYOND = 300
#: Seconds that newer jobs are read again: their transactions may have ended late.
_OVERLAP = 0.05
#: Shapes remembered before they are forgotten all at once.
_MOST_SHAPES = 5000

_Key = tuple[int, float, str]


class Waiting:
    """Waiting jobs in the order of the queue, as far as a plan needs them."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobView] = {}
        self._shapes: dict[tuple[Any, ...], Shape] = {}
        self._read_at = 0.0
        self._known = False
        #: The last job of the window when more wait behind it.
        self._end: _Key | None = None

    @property
    def overflows(self) -> _Key | None:
        """Rank, time and id of the last job seen, when more wait behind it."""
        return self._end

    def read(self, session: Session, moment: float, *, whole: bool) -> tuple[JobView, ...]:
        """The jobs that may be assigned at `moment`, by the database's clock."""
        low = self._end is not None and len(self._jobs) < _REFILL
        if whole or low or not self._known:
            self._read_all(session, moment)
        else:
            self._read_newer(session, moment)
        self._read_at, self._known = moment, True
        return tuple(self._jobs.values())

    def forget(self, job_ids: Iterable[str]) -> None:
        """These have been dealt with."""
        for job_id in job_ids:
            self._jobs.pop(job_id, None)

    def clear(self) -> None:
        """Know nothing; the next read is whole."""
        self._known = False

    def _read_all(self, session: Session, moment: float) -> None:
        rows = session.execute(_due(moment).order_by(*_ORDER).limit(WINDOW)).all()
        self._jobs = {row.id: self._view(row) for row in rows}
        self._end = None
        if len(rows) == WINDOW:
            self._end = (rows[-1].rank, rows[-1].queued_at, rows[-1].id)
            self._add(session.execute(_due(moment).where(_CROWD.not_in(_crowds(rows))).limit(_BEYOND)).all())

    def _read_newer(self, session: Session, moment: float) -> None:
        query = _due(moment).where(Job.rank.in_(range(len(Priority))), Job.queued_at > self._read_at - _OVERLAP)
        if self._end is not None:
            query = query.where(Job.rank < self._end[0])
        self._add(session.execute(query.limit(WINDOW)).all())

    def _add(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> None:
        self._jobs.update((row.id, self._view(row)) for row in rows)

    def _view(self, row: Row[*tuple[Any, ...]]) -> JobView:
        values = tuple(row)
        shape = self._shapes.get(values[3:])
        if shape is None:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            shape = self._shapes[values[3:]] = _shape(row)
        return JobView(row.id, row.queued_at, row.slots, shape)


_ORDER = (Job.rank, Job.queued_at, Job.id)
#: What most of all decides whether a job can run, as one text.
_CROWD = (
    Job.capability
    + "|"
    + func.coalesce(Job.model_id, "")
    + "|"
    + func.coalesce(Job.runtime, "")
    + "|"
    + func.coalesce(Job.host, "")
)


def _due(moment: float) -> Select[*tuple[Any, ...]]:
    return select(
        Job.id, Job.queued_at, Job.slots, Job.rank, Job.capability, Job.model_id, Job.model, Job.runtime, Job.host,
        cast(Job.spec, Text).label("spec_text"), Job.disk, Job.exclusive,
        cast(Job.acquires, Text).label("acquires_text"),
    ).where(
        is_waiting_job,
        Job.not_before.is_(None) | (Job.not_before <= moment),
        Job.cancel_requested_at.is_(None),
    )  # fmt: skip


def _crowds(rows: Sequence[Row[*tuple[Any, ...]]]) -> set[str]:
    return {f"{r.capability}|{r.model_id or ''}|{r.runtime or ''}|{r.host or ''}" for r in rows}


def _shape(row: Row[*tuple[Any, ...]]) -> Shape:
    return Shape(
        rank=row.rank,
        capability=Capability(row.capability),
        model_id=row.model_id,
        model=row.model,
        runtime=row.runtime,
        host=row.host,
        spec=RunSpec.model_validate_json(row.spec_text),
        disk=row.disk,
        exclusive=row.exclusive,
        acquires=_acquires(row.acquires_text),
    )


def _acquires(text: str) -> tuple[tuple[str, str | None], ...]:
    return tuple((model, runtime) for model, runtime in json.loads(text or "[]"))
