"""From rows to a snapshot, in few queries that cost the same however long the queue is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, Text, cast, func, select
from sqlalchemy.orm import Session

from scheduler.views import HostView, JobView, LaneView, LoadView, ModelView, RunView, Snapshot
from scheduler.waiting import Waiting
from shared.db import clock_time
from shared.errors import Problem, RunDied
from shared.runtimes import ModelShape, RunSpec, RuntimeInfo
from shared.tables import Attempt, Host, HostRuntime, Install, Job, Model, Run, is_live_attempt, is_live_run
from shared.units import Bytes
from shared.vocabulary import Capability, Format, JobState, RunState

#: Ended loads looked at, newest first: enough to see several failures in a row of each model that is waited for.
_LOADS = 200

_OVER = (RunState.FAILED, RunState.STOPPED)
_AT_WORK = (JobState.ASSIGNED, JobState.RUNNING)

# The same texts come again with every look; parsed once they are also the same objects.
_runtime_info = lru_cache(1024)(RuntimeInfo.model_validate_json)
_model_shape = lru_cache(1024)(ModelShape.model_validate_json)
_run_spec = lru_cache(1024)(RunSpec.model_validate_json)


def read_snapshot(session: Session, waiting: Waiting, *, whole: bool) -> Snapshot:
    """Everything a plan depends on; `whole` reads the queue anew instead of only its newest jobs."""
    moment = clock_time(session)
    hosts = _hosts(session, moment)
    uses = _uses(session)
    runs = _runs(session, hosts, uses, moment)
    jobs = waiting.read(session, moment, whole=whole)
    return Snapshot(
        now=moment,
        hosts=hosts,
        runs=runs,
        jobs=jobs,
        models=_models(session, _wanted_models(jobs, runs)),
        lanes=_lanes(uses),
        loads=_loads(session, jobs, runs),
    )


# --- hosts -------------------------------------------------------------------------------------


def _hosts(session: Session, moment: float) -> dict[str, HostView]:
    offers: dict[str, dict[str, RuntimeInfo]] = {}
    info = cast(HostRuntime.info, Text)
    query = select(HostRuntime.host, HostRuntime.name, info).where(HostRuntime.alive).order_by(HostRuntime.name)
    for host, name, text in session.execute(query):
        offers.setdefault(host, {})[name] = _runtime_info(text)
    columns = (Host.name, Host.budget, Host.disk_free, Host.seen_until, Host.draining, Host.cordoned, Host.reserved_by)
    rows = session.execute(select(*columns).order_by(Host.name))
    return {
        name: HostView(
            name, budget, disk, bool(seen and seen > moment), draining, cordoned, reserved_by, offers.get(name, {})
        )
        for name, budget, disk, seen, draining, cordoned, reserved_by in rows
    }


# --- attempts ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Use:
    """Live attempts of one lane on one run, or on none."""

    host: str
    runtime: str
    run_id: str | None
    attempts: int
    slots: int


def _uses(session: Session) -> list[_Use]:
    columns = (Attempt.host, Attempt.runtime, Attempt.run_id)
    query = select(*columns, func.count(), func.sum(Attempt.slots)).where(is_live_attempt).group_by(*columns)
    return [_Use(host, runtime, run, count, int(slots)) for host, runtime, run, count, slots in session.execute(query)]


def _lanes(uses: Iterable[_Use]) -> dict[tuple[str, str], LaneView]:
    lanes: dict[tuple[str, str], LaneView] = {}
    for use in uses:
        seen = lanes.get((use.host, use.runtime), LaneView())
        without_run = use.attempts if use.run_id is None else 0
        lanes[use.host, use.runtime] = LaneView(seen.attempts + use.attempts, seen.without_run + without_run)
    return lanes


# --- runs --------------------------------------------------------------------------------------

_RUN_COLUMNS = (
    Run.id, Run.state, Run.model_id, Run.model, Run.capability, cast(Run.spec, Text).label("spec_text"), Run.priority,
    Run.created_at, Run.host, Run.runtime, Run.wanted_host, Run.wanted_runtime, Run.slots, Run.context,
    Run.memory_held, Run.pinned, Run.keep_alive, Run.last_used_at, Run.owner_job,
)  # fmt: skip


def _runs(session: Session, hosts: Collection[str], uses: Iterable[_Use], moment: float) -> tuple[RunView, ...]:
    rows = list(session.execute(select(*_RUN_COLUMNS).where(is_live_run).order_by(Run.id)))
    held = (Run.host.in_(hosts), Run.memory_held > 0, Run.state.in_(_OVER))
    rows += session.execute(select(*_RUN_COLUMNS).where(*held).order_by(Run.id))
    owners = _owners_at_work(session, {row.owner_job for row in rows if row.owner_job})
    on_run = {use.run_id: use for use in uses if use.run_id}
    return tuple(_run(row, on_run.get(row.id), owners, moment) for row in rows)


def _owners_at_work(session: Session, job_ids: Collection[str]) -> set[str]:
    if not job_ids:
        return set()
    return set(session.scalars(select(Job.id).where(Job.id.in_(job_ids), Job.state.in_(_AT_WORK))))


def _run(row: Row[*tuple[Any, ...]], use: _Use | None, owners: Collection[str], moment: float) -> RunView:
    last_used_at = row.last_used_at or row.created_at
    return RunView(
        id=row.id,
        state=row.state,
        model_id=row.model_id,
        model=row.model,
        capability=Capability(row.capability),
        spec=_run_spec(row.spec_text),
        rank=row.priority.rank,
        created_at=row.created_at,
        host=row.host,
        runtime=row.runtime,
        wanted_host=row.wanted_host,
        wanted_runtime=row.wanted_runtime,
        slots=row.slots,
        context=row.context,
        held=row.memory_held,
        attempts=use.attempts if use else 0,
        used=use.slots if use else 0,
        pinned=row.pinned,
        keep_alive=row.keep_alive,
        last_used_at=last_used_at,
        # The gateway dates the last use of a run ahead of time while it has requests on it.
        streaming=last_used_at > moment,
        owner_job=row.owner_job,
        owner_live=row.owner_job is None or row.owner_job in owners,
    )


# --- models ------------------------------------------------------------------------------------


def _wanted_models(jobs: Iterable[JobView], runs: Iterable[RunView]) -> set[str]:
    shapes = {job.shape for job in jobs}
    wanted = {shape.model_id for shape in shapes if shape.model_id}
    wanted |= {model_id for shape in shapes for model_id, _ in shape.acquires}
    return wanted | {run.model_id for run in runs if run.host is None}


def _models(session: Session, ids: Collection[str]) -> dict[str, ModelView]:
    if not ids:
        return {}
    installed: dict[str, set[str]] = {}
    for model_id, host in session.execute(select(Install.model_id, Install.host).where(Install.model_id.in_(ids))):
        installed.setdefault(model_id, set()).add(host)
    columns = (Model.id, Model.name, Model.format, Model.size, Model.context, cast(Model.shape, Text))
    rows = session.execute(select(*columns).where(Model.id.in_(ids)))
    return {
        model_id: ModelView(
            model_id,
            name,
            Format(packed),
            Bytes(size),
            context,
            _model_shape(shape),
            frozenset(installed.get(model_id, ())),
        )
        for model_id, name, packed, size, context, shape in rows
    }


def _loads(session: Session, jobs: Iterable[JobView], runs: Iterable[RunView]) -> tuple[LoadView, ...]:
    """How loads ended of models that jobs wait for and no run serves."""
    served = {run.model_id for run in runs if run.state == RunState.READY}
    since: dict[str, float] = {}
    for job in jobs:
        model_id = job.shape.model_id
        if model_id is not None and model_id not in served:
            since[model_id] = min(job.queued_at, since.get(model_id, job.queued_at))
    if not since:
        return ()
    rows = session.execute(
        select(Run.model_id, Run.runtime, Run.ended_at, Run.error, Run.ready_at)
        .where(Run.model_id.in_(since), Run.ended_at >= min(since.values()), Run.runtime.is_not(None))
        .where(Run.ready_at.is_not(None) | (Run.state == RunState.FAILED))
        .order_by(Run.ended_at.desc())
        .limit(_LOADS)
    )
    return tuple(
        LoadView(model_id, runtime, ended_at, None if ready_at is not None else _problem(error))
        for model_id, runtime, ended_at, error, ready_at in rows
    )


def _problem(error: dict[str, Any] | None) -> Problem:
    if error is None:
        return RunDied("A run ended before it was ready", "it left no message", "see `cidermill runs logs`").problem
    return Problem.model_validate(error)
