"""The files of a job: what its kind says it reads, and what it made. A host reads those of its own jobs, and no other.

A text that happens to hold a file's id gives nobody the file: only the parameters that a kind names in `reads` do.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.kinds import kinds
from shared.kinds.contract import Kind
from shared.tables import Attempt, File, Job, is_live_attempt
from shared.vocabulary import AttemptState, JobState


def read_by(kind: Kind) -> set[str]:
    """Ids of the files that a job with these parameters reads."""
    return _ids(getattr(kind, name) for name in kind.reads)


def in_use(session: Session) -> set[str]:
    """Ids of the files that jobs which are not over read."""
    parameters = _parameters()
    jobs = session.execute(
        select(Job.kind, *(Job.params[name] for name in parameters))
        .where(Job.state.in_([state for state in JobState if not state.final]))
        .where(Job.kind.in_([name for name, kind in kinds().items() if kind.reads]))
    )
    found: set[str] = set()
    for kind, *values in jobs:
        given = dict(zip(parameters, values, strict=True))
        found |= _ids(given[name] for name in kinds()[kind].reads)
    return found


def is_for(session: Session, host: str, file: File) -> bool:
    """Whether something that runs on this host reads the file, or made it.

    Of the parameters only those that name files leave the database: others may be thousands of requests.
    """
    parameters = _parameters()
    readers = [name for name, kind in kinds().items() if kind.reads]
    jobs = session.execute(
        select(Job.id, Job.kind, *(Job.params[name] for name in parameters))
        .join(Attempt, Attempt.job_id == Job.id)
        .where(is_live_attempt, Attempt.host == host, Attempt.state == AttemptState.RUNNING)
        .where((Job.id == file.job_id) | Job.kind.in_(readers))
    )
    for job_id, kind, *values in jobs:
        given = dict(zip(parameters, values, strict=True))
        if job_id == file.job_id or file.id in _ids(given[name] for name in kinds()[kind].reads):
            return True
    return False


@cache
def _parameters() -> tuple[str, ...]:
    """Those of all kinds that name files."""
    return tuple(sorted({name for kind in kinds().values() for name in kind.reads}))


def _ids(values: Iterable[Any]) -> set[str]:
    """Each value is an id, a list of them, or nothing."""
    found: set[str] = set()
    for value in values:
        found |= {value} if isinstance(value, str) else set(value or ())
    return found
