"""Bytes of the hosts' disks that downloads at work there will still fill: nobody else may count on them."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, select

from shared.downloads.phases import CHECKING, DOWNLOADING
from shared.tables import Attempt, Job, is_live_attempt
from shared.vocabulary import AttemptState, JobState

_job, _attempt = Job.__table__.c, Attempt.__table__.c

_model = _job.params["model"].as_string()
_LIVE = (
    select(
        _attempt.host, _attempt.state, _model, _job.disk, _job.phase,
        _job.progress["done"].as_float(), _job.progress["total"].as_float(),
    )
    .join(_job.id.table, _job.id == _attempt.job_id)
    # The lane first: thousands of attempts may live, and few of them are the stores'.
    .where(is_live_attempt, _attempt.runtime == "store", _job.kind == "download")
)  # fmt: skip
_WAITING = select(_job.host, _model, _job.disk).where(
    _job.state == JobState.QUEUED, _job.kind == "download", _job.host.is_not(None)
)


def read_promised(connection: Connection) -> dict[str, dict[str, int]]:
    """What is still to come by host and model, as the jobs call it; two downloads of one model count once."""
    lacking: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for host, state, model, disk, phase, done, total in connection.execute(_LIVE):
        left = _left(disk, phase or "", done, total) if state == AttemptState.RUNNING else disk
        lacking[host][model] = max(left, lacking[host].get(model, 0))
    return dict(lacking)


def read_awaited(connection: Connection) -> dict[str, dict[str, int]]:
    """The same of downloads that wait for a host which they name."""
    lacking: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for host, model, disk in connection.execute(_WAITING):
        lacking[host][model] = max(disk, lacking[host].get(model, 0))
    return dict(lacking)


def _left(disk: int, phase: str, done: float | None, total: float | None) -> int:
    """What is still to come; what it was thought to need while it has not said how far it is."""
    if phase.startswith(DOWNLOADING) and total is not None:
        return max(0, int(total - (done or 0.0)))
    return 0 if phase == CHECKING else disk
