"""The jobs that wait, kept in memory between looks: reading thousands for each that ends would be the whole cost.

A whole read, about once a second, is the truth. In between only newer jobs are read; a job that was cancelled
meanwhile is refused by the guards, one that came back is found by the next whole read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import Connection, Row, Text, bindparam, cast, func, select, text

from scheduler.views import JobView, Shape
from shared.runtimes import RunSpec
from shared.tables import Job, is_waiting_job
from shared.vocabulary import Capability, Priority

#: Jobs held at once, the first in order; and below which a longer queue is read again.
WINDOW = 2000
_REFILL = 500
#: Jobs of one shape seen between whole reads: more are hardly ever assigned at once.
FEW = 200
#: Jobs added from beyond the window, of crowds that are not in it: a thousand blocked jobs must not hide others.
_BEYOND = 300
#: Jobs added of each class and of each share that the window shows less of: all of them are to have their turns.
_OF_EACH = 50
#: Seconds that newer jobs are read again: their transactions may have ended late.
_OVERLAP = 0.05
#: Shapes remembered before they are forgotten all at once.
_MOST_SHAPES = 5000

_log = structlog.get_logger(__name__)

_Row = Row[*tuple[Any, ...]]

_job = Job.__table__.c

#: What most of all decides whether a job can run, as one text.
_CROWD = (
    _job.capability
    + "|"
    + func.coalesce(_job.model_id, "")
    + "|"
    + func.coalesce(_job.runtime, "")
    + "|"
    + func.coalesce(_job.host, "")
    + "|"
    + cast(_job.placement, Text)
)
_OWN = (_job.id, _job.queued_at, _job.slots, _job.deadline)
#: Columns that make a job's shape, with its placement, whether it is preemptible, and its parts.
_WISHES = (
    _job.rank, _job.capability, _job.model_id, _job.model, _job.runtime, _job.host,
    cast(_job.spec, Text).label("spec_text"), _job.disk, _job.exclusive,
    cast(_job.acquires, Text).label("acquires_text"), _job.kind, _job.queue,
)  # fmt: skip
_WISH = slice(len(_OWN), len(_OWN) + len(_WISHES))
_DUE = select(
    *_OWN, *_WISHES, _job.owner, cast(_job.labels, Text).label("labels_text"),
    cast(_job.placement, Text).label("placement_text"), _job.preemptible, _CROWD.label("crowd"),
).where(
    is_waiting_job,
    _job.not_before.is_(None) | (_job.not_before <= bindparam("moment")),
    _job.cancel_requested_at.is_(None),
)  # fmt: skip
_FIRST = _DUE.order_by(_job.rank, _job.queued_at, _job.id).limit(WINDOW)
_HIDDEN = _DUE.where(_CROWD.not_in(bindparam("crowds", expanding=True))).limit(_BEYOND)
_OLDEST = _DUE.where(_job.rank == bindparam("of")).order_by(_job.queued_at, _job.id).limit(_OF_EACH)
_SHARE = _DUE.where(_job.queue == bindparam("of")).order_by(_job.rank, _job.queued_at, _job.id).limit(_OF_EACH)
# Each step finds the next name by the index: what it costs is how many shares wait, not how many jobs.
_SHARES = text(
    """WITH RECURSIVE shares(name) AS (
           SELECT min(queue) FROM jobs WHERE state = 'queued'
           UNION ALL
           SELECT (SELECT min(queue) FROM jobs WHERE state = 'queued' AND queue > shares.name)
           FROM shares WHERE shares.name IS NOT NULL)
       SELECT name FROM shares WHERE name IS NOT NULL"""
)
# The index begins with the rank. Asked for one rank, in its order, no plan but a short walk of it makes sense, whatever
# the database believes of the table: PostgreSQL, once it has prepared a statement, does not look at its values.
_NEWER = (
    _DUE.where(_job.rank == bindparam("of"), _job.queued_at > bindparam("since"))
    .order_by(_job.queued_at, _job.id)
    .limit(WINDOW)
)


class Waiting:
    """Waiting jobs, of each shape in the order of the queue, as far as a plan needs them."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobView] = {}
        self._by_shape: dict[Shape, dict[str, JobView]] = {}
        #: `None`: of jobs that cannot be read.
        self._shapes: dict[tuple[Any, ...], Shape | None] = {}
        self._rows: Collection[str] = ()
        self._read_at = 0.0
        self._known = False
        #: Rank, time and id of the last job seen, when more wait behind it.
        self.overflow: tuple[int, float, str] | None = None

    def read(
        self, connection: Connection, moment: float, queues: Collection[str] = (), *, whole: bool
    ) -> tuple[JobView, ...]:
        """The jobs that may be assigned at `moment`, by the database's clock; unless `whole`, only a few of a shape.

        `queues` are the parts of the queue that have a row.
        """
        self._rows = queues
        low = self.overflow is not None and len(self._jobs) < _REFILL
        if whole or low or not self._known:
            self._read_first(connection, moment)
        else:
            self._read_newer(connection, moment)
        self._read_at, self._known = moment, True
        if whole:
            return tuple(self._jobs.values())
        return tuple(job for jobs in self._by_shape.values() for job in islice(jobs.values(), FEW))

    def forget(self, job_ids: Iterable[str]) -> None:
        """These have been dealt with."""
        for job_id in job_ids:
            job = self._jobs.pop(job_id, None)
            if job is not None:
                del self._by_shape[job.shape][job_id]

    def clear(self) -> None:
        """Know nothing; the next read is whole."""
        self._known = False

    def _read_first(self, connection: Connection, moment: float) -> None:
        rows = connection.execute(_FIRST, {"moment": moment}).all()
        self._jobs, self._by_shape, self.overflow = {}, {}, None
        self._add(rows)
        if len(rows) == WINDOW:
            self.overflow = (rows[-1].rank, rows[-1].queued_at, rows[-1].id)
            crowds = {row.crowd for row in rows}
            self._add(connection.execute(_HIDDEN, {"moment": moment, "crowds": sorted(crowds)}))
            self._read_others(connection, moment, rows)

    def _read_others(self, connection: Connection, moment: float, rows: Sequence[_Row]) -> None:
        """The oldest of each class, and the first of each share, that the window hides."""
        last = rows[-1].rank
        for rank in range(last, len(Priority)):
            self._add(connection.execute(_OLDEST, {"moment": moment, "of": rank}))
        shown = Counter(row.queue for row in rows)
        for name in connection.scalars(_SHARES).all():
            if shown[name] < _OF_EACH:
                self._add(connection.execute(_SHARE, {"moment": moment, "of": name}))

    def _read_newer(self, connection: Connection, moment: float) -> None:
        """Behind the end of a longer queue nothing is read before its front has been dealt with."""
        for rank in range(self.overflow[0] if self.overflow else len(Priority)):
            asked = {"moment": moment, "since": self._read_at - _OVERLAP, "of": rank}
            self._add(connection.execute(_NEWER, asked))

    def _add(self, rows: Iterable[_Row]) -> None:
        for row in rows:
            if row.id not in self._jobs and (shape := self._shape(row)) is not None:
                job = JobView(row.id, row.queued_at, row.slots, shape, row.deadline)
                self._jobs[job.id] = job
                self._by_shape.setdefault(job.shape, {})[job.id] = job

    def _shape(self, row: _Row) -> Shape | None:
        """The same object for equal wishes, `None` for those that cannot be read.

        Labels count only where a part of the queue has something to say.
        """
        parts = tuple(name for name in self._parts(row.owner, row.labels_text) if name in self._rows)
        key = (row[_WISH], row.placement_text, row.preemptible, parts)
        if key not in self._shapes:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            self._shapes[key] = _readable(row, parts)
        return self._shapes[key]

    @staticmethod
    def _parts(owner: str, labels: str) -> tuple[str, ...]:
        return (f"key:{owner}", *(_label_parts(labels) if labels != "{}" else ()))


@lru_cache(4096)
def _label_parts(labels: str) -> tuple[str, ...]:
    return tuple(f"label:{name}={value}" for name, value in json.loads(labels).items())


def _readable(row: _Row, parts: tuple[str, ...]) -> Shape | None:
    """One job that waits in vain must not keep all others waiting."""
    try:
        return _parsed(row, parts)
    except ValidationError as error:
        _log.warning(
            "a job's wishes cannot be read, it waits", job=row.id, reason=error.errors(include_input=False)[0]["msg"]
        )
        return None


def _parsed(row: _Row, parts: tuple[str, ...]) -> Shape:
    where = json.loads(row.placement_text)
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
        acquires=tuple((model, runtime) for model, runtime in json.loads(row.acquires_text or "[]")),
        kind=row.kind,
        queue=row.queue,
        parts=parts,
        selector=tuple(sorted(where.get("selector", {}).items())),
        tolerations=tuple(where.get("tolerations", ())),
        avoid=where.get("avoid"),
        preemptible=row.preemptible,
    )
