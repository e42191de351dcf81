"""Downloads that wait again: where earlier attempts left their bytes."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, select

from scheduler.views import Begun
from shared.errors import DiskFull
from shared.tables import Attempt, Job

_job, _attempt = Job.__table__.c, Attempt.__table__.c

_LAST = (
    select(_job.id, _attempt.host, _attempt.error["code"].as_string())
    .join(_attempt.job_id.table, (_attempt.job_id == _job.id) & (_attempt.number == _job.attempt))
    .where(_job.id.in_(bindparam("ids", expanding=True)))
)


def read_begun(connection: Connection, ids: Collection[str]) -> dict[str, Begun]:
    """Of waiting downloads that were tried before, where they left their bytes."""
    if not ids:
        return {}
    rows = connection.execute(_LAST, {"ids": list(ids)})
    return {job_id: Begun(host, full=code == DiskFull.code) for job_id, host, code in rows}
