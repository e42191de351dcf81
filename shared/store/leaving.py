"""Models that leave hosts: by name (`rm`), or because a disk needs room (`gc`). Rows go first, then jobs delete files.

A row that is gone is never placed again, so the files are nobody's when their `discard` job comes to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from shared import aliases, catalog
from shared.db import clock_time
from shared.errors import Conflict
from shared.jobs.intake import Submission
from shared.protocol import OURS
from shared.references import ModelRef
from shared.store import copies
from shared.store.gc import Copy, Policy, Verdict, sweep
from shared.tables import Host, Install, Job, Model, Run
from shared.vocabulary import FINAL_JOB_STATES, FINAL_RUN_STATES, Format, Provider

_DELETABLE = frozenset({Provider.HF, Provider.URL})


def remove(session: Session, name: str) -> tuple[Model, list[Submission]]:
    """Forget a model; the jobs that delete what is ours of its files.

    Raises NotFound, and Conflict while runs or jobs use it.
    """
    model = catalog.find(session, name)
    if catalog.named(session, name) is None and aliases.find(session, name) is not None:
        raise Conflict(
            f"{name} is an alias of {model.name}", "removing a model by an alias would surprise those who use its name",
            f"remove the alias: cidermill models alias rm {name}; or the model: cidermill models rm {model.name}",
        )  # fmt: skip
    if model.format == Format.ECHO:
        raise Conflict("The echo model cannot be removed", "it ships with Cidermill", "nothing to do")
    _check_unused(session, model)
    installs = catalog.installs(session, [model.id]).get(model.id, [])
    jobs = [job for install in installs if (job := _discard(model, install)) is not None]
    session.execute(delete(Model).where(Model.id == model.id))
    return model, jobs


def swept(session: Session, policy: Policy, host: str | None = None) -> list[Verdict]:
    """What a cleaning would delete, and why; nothing is changed."""
    where = Install.host == host if host is not None else Install.host.is_not(None)
    free = {row.name: row.disk_free for row in session.scalars(select(Host))}
    return sweep(_copies(session, where), policy, clock_time(session), free)


def deletable(session: Session, targets: Mapping[str, int]) -> dict[str, int]:
    """Bytes that a cleaning of each host would delete to have so many bytes of its disk free, as far as it may."""
    if not targets:
        return {}
    free = {row.name: row.disk_free for row in session.scalars(select(Host).where(Host.name.in_(targets)))}
    copies = _copies(session, Install.host.in_(targets))
    moment = clock_time(session)
    return {
        host: sum(
            verdict.frees
            for verdict in sweep(
                (copy for copy in copies if copy.host == host), Policy(free_bytes=target), moment, free
            )
        )
        for host, target in targets.items()
    }


def clean(session: Session, verdicts: Iterable[Verdict]) -> list[Submission]:
    """Forget the installs that go; the jobs that delete their files."""
    jobs = []
    for verdict in verdicts:
        install = session.get(Install, (verdict.copy.model_id, verdict.copy.host))
        model = session.get(Model, verdict.copy.model_id)
        if verdict.goes and install is not None and model is not None:
            job = _discard(model, install)
            session.delete(install)
            jobs += [job] if job is not None else []
    session.flush()
    return jobs


def _copies(session: Session, where: ColumnElement[bool]) -> list[Copy]:
    rows = session.execute(select(Model, Install).join(Install, Install.model_id == Model.id).where(where)).all()
    used = _last_uses(session)
    busy = _Busy(session)
    return [
        Copy(
            model_id=model.id,
            model=model.name,
            host=install.host,
            contents={
                f"{model.repo} {file.get('sha256') or file['name']}": int(file["size"]) for file in install.files
            },
            last_used=max(install.installed_at, install.last_used_at or 0.0, used.get((model.id, install.host), 0.0)),
            keep=_foreign(model, install) or busy.reason(model.id, install.host),
        )
        for model, install in rows
    ]


def _foreign(model: Model, install: Install) -> str | None:
    if install.source != OURS:
        return f"it belongs to {install.source}"
    ours = model.provider in _DELETABLE or copies.is_copy(install.path, install.files)
    return None if ours else "it was there before Cidermill"


def _last_uses(session: Session) -> dict[tuple[str, str], float]:
    rows = session.execute(
        select(Run.model_id, Run.host, func.max(func.coalesce(Run.last_used_at, Run.created_at)))
        .where(Run.host.is_not(None))
        .group_by(Run.model_id, Run.host)
    )
    return {(model_id, host): float(moment) for model_id, host, moment in rows if host is not None}


class _Busy:
    """Who uses which model now."""

    def __init__(self, session: Session) -> None:
        runs = select(Run.model_id, Run.host, Run.id, Run.pinned).where(Run.state.not_in(FINAL_RUN_STATES))
        self._runs = session.execute(runs).all()
        self._jobs = _jobs_by_model(session)

    def reason(self, model_id: str, host: str) -> str | None:
        for used, where, run_id, pinned in self._runs:
            if used == model_id and where in (None, host):
                return f"run {run_id} has it pinned" if pinned else f"run {run_id} has it loaded"
        jobs = self._jobs.get(model_id)
        return f"job {jobs[0]} needs it" if jobs else None


def _jobs_by_model(session: Session) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    rows = session.execute(select(Job.id, Job.model_id, Job.acquires).where(Job.state.not_in(FINAL_JOB_STATES)))
    for job_id, model_id, acquires in rows:
        for used in {model_id, *(pair[0] for pair in acquires or ())} - {None}:
            found.setdefault(used, []).append(job_id)
    return found


def _check_unused(session: Session, model: Model) -> None:
    runs = catalog.users(session, model.id)
    if runs:
        raise Conflict(
            f"Model {model.name} is in use",
            f"{len(runs)} run{'s have' if len(runs) > 1 else ' has'} it loaded: {', '.join(runs[:3])}",
            "stop them first: cidermill runs stop " + runs[0],
            runs=runs,
        )
    jobs = _jobs_by_model(session).get(model.id, [])
    if jobs:
        raise Conflict(
            f"Model {model.name} is needed",
            f"{len(jobs)} job{'s' if len(jobs) > 1 else ''} waiting for it or using it: {', '.join(jobs[:3])}",
            "wait for them, or cancel them: cidermill jobs cancel " + jobs[0],
            jobs=jobs,
        )


def _discard(model: Model, install: Install) -> Submission | None:
    if _foreign(model, install) is not None or not install.files:
        return None
    reference = ModelRef(provider=Provider(model.provider), repo=model.repo, revision=model.revision)
    names = [str(file["name"]) for file in install.files]
    params = {"model": str(reference), "files": names, "host": install.host}
    if reference.provider is Provider.LOCAL:
        params["copy_key"] = copies.key(install.files)
    return Submission(kind="discard", params=params)
