"""Rows as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from api.schemas.files import FileOut
from api.schemas.hosts import HostDetail, HostOut, HostRuntimeOut
from api.schemas.jobs import AttemptOut, JobDetail, JobOut
from api.schemas.models import InstallOut, ModelDetail, ModelOut
from api.schemas.runs import RunOut
from shared import aliases, catalog, hosts
from shared.db import clock_time
from shared.jobs import queries as jobs
from shared.runs import queries as runs
from shared.runtimes import ModelShape
from shared.tables import File, Host, HostRuntime, Install, Job, Model, Run


def job_detail(session: Session, job: Job) -> JobDetail:
    shown = JobOut.model_validate(job).model_dump()
    return JobDetail.model_validate(
        shown
        | {
            "attempts": [AttemptOut.model_validate(attempt) for attempt in jobs.attempts(session, job.id)],
            "items_done": jobs.items_done(session, job.id),
            "position": jobs.position(session, job),
        }
    )


def run_list(session: Session, rows: Sequence[Run]) -> list[RunOut]:
    used = runs.slots_used(session, [row.id for row in rows])
    return [
        RunOut.model_validate(row).model_copy(update={"slots_used": used.get(row.id, 0), "drift": _drift(row)})
        for row in rows
    ]


def _drift(run: Run) -> int | None:
    """The last measurement of a run that is over stays in its row and is no drift."""
    return run.memory_used - run.memory_held if run.memory_used is not None and run.memory_held else None


def model_list(session: Session, rows: Sequence[Model]) -> list[ModelOut]:
    installs = catalog.installs(session, [row.id for row in rows])
    ready = catalog.ready_hosts(session)
    return [_model(row, installs.get(row.id, []), ready.get(row.id, [])) for row in rows]


def with_aliases(session: Session, shown: Sequence[ModelOut]) -> list[ModelOut]:
    """The same models, and each again under its other names; by name."""
    known = {model.model_id: model for model in shown}
    named = [
        known[model.id].model_copy(update={"id": alias.name, "alias_of": model.name})
        for alias, model in aliases.aliases(session)
        if model.id in known
    ]
    return sorted([*shown, *named], key=lambda one: one.id)


def model_detail(session: Session, row: Model) -> ModelDetail:
    found = catalog.installs(session, [row.id]).get(row.id, [])
    shown = _model(row, found, catalog.ready_hosts(session).get(row.id, [])).model_dump()
    installs = [InstallOut.model_validate(install) for install in found]
    more = {
        "shape": ModelShape.model_validate(row.shape),
        "installs": installs,
        "artifacts": row.artifacts,
        "same_content": catalog.same_content(session, row),
        "runs": catalog.users(session, row.id),
    }
    return ModelDetail.model_validate(shown | more)


def _model(row: Model, installs: Sequence[Install], ready: list[str]) -> ModelOut:
    return ModelOut.model_validate(
        {
            "id": row.name,
            "created": int(row.created_at),
            "owned_by": row.repo.split("/", 1)[0] if row.provider == "hf" else row.provider,
            "model_id": row.id,
            "reference": catalog.reference_of(row),
            "provider": row.provider,
            "repo": row.repo,
            "file": row.file,
            "revision": row.revision,
            "format": row.format,
            "size": row.size,
            "context": row.context,
            "capabilities": row.capabilities,
            "hosts": [install.host for install in installs],
            "ready_on": ready,
            "last_used_at": row.last_used_at,
            "digest": row.digest,
        }
    )


def host_list(session: Session, rows: Sequence[Host]) -> list[HostOut]:
    moment, held, offered = clock_time(session), hosts.memory_held(session), hosts.runtimes(session)
    return [_host(row, moment, held.get(row.name, 0), offered.get(row.name, [])) for row in rows]


def host_detail(session: Session, row: Host) -> HostDetail:
    shown = host_list(session, [row])[0].model_dump()
    there = runs.runs(session, states=runs.LIVE, host=row.name, limit=200)
    return HostDetail.model_validate(shown | {"runs": run_list(session, there)})


def _host(row: Host, moment: float, held: int, offered: Sequence[HostRuntime]) -> HostOut:
    up = row.seen_until is not None and row.seen_until > moment
    facts = {name: getattr(row, name) for name in HostOut.model_fields if name in Host.__table__.columns}
    return HostOut.model_validate(
        facts
        | {
            "state": "up" if up else "silent" if row.registered_at is not None else "joined",
            "memory_held": held,
            "drift": row.memory_used - held if row.memory_used is not None else None,
            "runtimes": [HostRuntimeOut.model_validate({**r.info, "alive": r.alive}) for r in offered],
        }
    )


def file_out(row: File) -> FileOut:
    return FileOut(
        id=row.id,
        bytes=row.size,
        created_at=int(row.created_at),
        expires_at=int(row.expires_at) if row.expires_at is not None else None,
        filename=row.name,
        purpose=row.purpose,
        content_type=row.content_type,
        sha256=row.sha256,
        job_id=row.job_id,
    )
