"""Downloads as disks feel them: what those at work will still fill, and where earlier attempts left their bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import Connection, bindparam, select

from scheduler.views import Begun
from shared.downloads.phases import CHECKING, DOWNLOADING
from shared.errors import DiskFull
from shared.tables import Attempt, Job, is_live_attempt
from shared.vocabulary import AttemptState

_job, _attempt = Job.__table__.c, Attempt.__table__.c

_LIVE = (
    select(
        _attempt.host, _attempt.state, _job.params["model"].as_string(), _job.disk, _job.phase,
        _job.progress["done"].as_float(), _job.progress["total"].as_float(),
    )
    .join(_job.id.table, _job.id == _attempt.job_id)
    # The lane first: thousands of attempts may live, and few of them are the stores'.
    .where(is_live_attempt, _attempt.runtime == "store", _job.kind == "download")
)  # fmt: skip
_LAST = (
    select(_job.id, _attempt.host, _attempt.error["code"].as_string())
    .join(_attempt.job_id.table, (_attempt.job_id == _job.id) & (_attempt.number == _job.attempt))
    .where(_job.id.in_(bindparam("ids", expanding=True)))
)


def read_promised(connection: Connection) -> dict[str, int]:
    """Bytes by host that the downloads at work there will still fill; those of one model come once."""
    lacking: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for host, state, model, disk, phase, done, total in connection.execute(_LIVE):
        left = _left(disk, phase or "", done, total) if state == AttemptState.RUNNING else disk
        lacking[host][model] = max(left, lacking[host].get(model, 0))
    return {host: sum(models.values()) for host, models in lacking.items()}


def _left(disk: int, phase: str, done: float | None, total: float | None) -> int:
    """What is still to come; what it was thought to need while it has not said how far it is."""
    if phase.startswith(DOWNLOADING) and total is not None:
        return max(0, int(total - (done or 0.0)))
    return 0 if phase == CHECKING else disk


def read_begun(connection: Connection, ids: Collection[str]) -> dict[str, Begun]:
    """Of waiting downloads that were tried before, where they left their bytes."""
    if not ids:
        return {}
    rows = connection.execute(_LAST, {"ids": list(ids)})
    return {job_id: Begun(host, full=code == DiskFull.code) for job_id, host, code in rows}
