"""Models on the hosts' disks: cleaned up, looked for, read again."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, status
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.deps import Admin, Changer, Door, FrontDoor
from api.schemas.store import GcIn, GcLine, GcOut, HostsIn, JobsOut
from shared import catalog
from shared.db import now
from shared.errors import InvalidParameters
from shared.fit import Fleet
from shared.jobs import service
from shared.jobs.intake import Submission
from shared.keys import Caller
from shared.store import leaving
from shared.store.gc import Policy, Verdict
from shared.tables import Host, HostRuntime

router = APIRouter(prefix="/v1/models", tags=["models"])

_DAY = 86400.0


@router.post("/gc")
def gc(body: GcIn, door: Door, caller: Admin) -> GcOut:
    """Delete models that nobody needs, or, unless `dry_run` is false, only say which and why."""
    older = body.older_than_days * _DAY if body.older_than_days is not None else None
    policy = Policy(older_than=older, keep_bytes=body.keep_bytes, free_bytes=body.free_bytes)
    if body.dry_run:
        with door.read() as session:
            return _shown(_verdicts(session, policy, body.host), [], dry_run=True)
    with door.write(wake=True) as session:
        verdicts = _verdicts(session, policy, body.host)
        discards = service.prepare(session, leaving.clean(session, verdicts), caller.id, internal=True)
        jobs = [job.id for job in service.queue(session, discards)]
        return _shown(verdicts, jobs, dry_run=False)


@router.post("/scan", status_code=status.HTTP_201_CREATED)
def scan(body: HostsIn, door: Door, caller: Changer) -> JobsOut:
    """Look for models of other programs: a job for each host."""
    with door.write(wake=True) as session:
        Fleet(session).check_named(body.host, None)
        hosts = [body.host] if body.host is not None else _stores(session)
        return _queued(door, session, [Submission("scan", {"host": host}) for host in hosts], caller)


@router.post("/{name:path}/verify", status_code=status.HTTP_201_CREATED)
def verify(name: str, body: HostsIn, door: Door, caller: Changer) -> JobsOut:
    """Read all files of an installed model again and compare them with its manifest: a job for each host."""
    host = body.host
    with door.write(wake=True) as session:
        model = catalog.find(session, name)
        Fleet(session).check_named(host, None)
        there = [install.host for install in catalog.installs(session, [model.id]).get(model.id, [])]
        chosen = [one for one in there if host in (None, one)]
        if not chosen:
            raise InvalidParameters(
                f"{model.name} is not installed {f'on {host}' if host else 'anywhere'}",
                f"it is on {', '.join(there)}" if there else "no host has its files",
                f"install it: cidermill models pull {catalog.reference_of(model)}",
                field="host",
            )
        wanted = [Submission("verify", {"model": model.name, "host": one}) for one in chosen]
        return _queued(door, session, wanted, caller)


def _verdicts(session: Session, policy: Policy, host: str | None) -> list[Verdict]:
    Fleet(session).check_named(host, None)
    return leaving.swept(session, policy, host)


def _queued(door: FrontDoor, session: Session, submissions: Sequence[Submission], caller: Caller) -> JobsOut:
    """Each counts as a request of the caller. Raises QuotaExceeded."""
    queued = service.queue(session, service.prepare(session, submissions, caller.id))
    door.meter.desk.admit_jobs(session, caller, len(queued))
    return JobsOut(jobs=[job.id for job in queued])


def _stores(session: Session) -> list[str]:
    """Living hosts whose store is at work."""
    return list(
        session.scalars(
            select(Host.name)
            .join(HostRuntime, HostRuntime.host == Host.name)
            .where(Host.seen_until > now(session), HostRuntime.name == "store")
            .order_by(Host.name)
        )
    )


def _shown(verdicts: Sequence[Verdict], jobs: list[str], *, dry_run: bool) -> GcOut:
    lines = [(verdict.goes, _line(verdict)) for verdict in verdicts]
    return GcOut(
        dry_run=dry_run,
        frees=sum(verdict.frees for verdict in verdicts),
        removed=[line for goes, line in lines if goes],
        kept=[line for goes, line in lines if not goes],
        jobs=jobs,
    )


def _line(verdict: Verdict) -> GcLine:
    copy = verdict.copy
    return GcLine(
        model=copy.model,
        host=copy.host,
        size=copy.size,
        frees=verdict.frees,
        last_used_at=copy.last_used,
        reason=verdict.reason,
    )
