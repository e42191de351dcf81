"""A job is tried again with what its key may do now, not with what it might when it was submitted."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from api.deps import FrontDoor
from api.gateway import model_names
from shared import grants, keys
from shared.errors import InvalidParameters, NotFound
from shared.jobs import queries, state
from shared.jobs.intake import Submission
from shared.keys import ANYONE, Caller
from shared.kinds.download import Download
from shared.tables import Job, Key, Model


def retry(door: FrontDoor, session: Session, job: Job) -> None:
    """Queue it again; what it had not finished counts as requests of its key, whoever retries it.

    Raises Conflict, Forbidden for what the key may not any more, QuotaExceeded.
    """
    owner = _owner(session, job)
    if job.kind == Download.name:
        grants.check_source(owner, str(job.params.get("model")))
    _check_models(door, session, owner, job)
    state.retry(session, job.id, grants.capped(owner, job.priority))
    left = Submission(job.kind, job.params).requests - queries.items_done(session, job.id)
    door.meter.desk.admit_jobs(session, owner, max(left, 1))


def _owner(session: Session, job: Job) -> Caller:
    """Its key; Cidermill's own jobs, and those of an open loopback, have none."""
    return ANYONE if session.get(Key, job.owner) is None else keys.holder(session, job.owner)


def _check_models(door: FrontDoor, session: Session, owner: Caller, job: Job) -> None:
    """What it was called by is not kept: any name that the key may use will do."""
    if owner.models is None:
        return
    allowed = set(_allowed(session, owner.models, door.settings.default_model))
    for model_id in {job.model_id, *(model_id for model_id, _ in job.acquires)} - allowed:
        if model := session.get(Model, model_id):
            grants.check_model(owner, model.name)


def _allowed(session: Session, names: frozenset[str], default: str | None) -> Iterator[str]:
    """Ids of the models of these names, as far as they are known."""
    for name in names:
        try:
            yield model_names.find(session, name, default).model.id
        except (NotFound, InvalidParameters):
            continue
