"""Runs that live or hold memory, and how earlier ones ended."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import Connection, Row, Text, bindparam, cast, select

from scheduler.reading.hosts import Use
from scheduler.views import LoadView, RunView
from shared.errors import Problem, RunDied
from shared.runs.service import ATTENTIVE
from shared.runtimes import RunSpec
from shared.tables import Job, Run, is_live_run
from shared.vocabulary import Capability, JobState, RunState

#: Ended loads looked at, newest first: enough to see several failures in a row of each model that is waited for.
_LOADS = 200

_run, _job = Run.__table__.c, Job.__table__.c

_COLUMNS = select(
    _run.id, _run.state, _run.model_id, _run.model, _run.capability, cast(_run.spec, Text).label("spec_text"),
    _run.priority, _run.created_at, _run.host, _run.runtime, _run.wanted_host, _run.wanted_runtime, _run.slots,
    _run.context, _run.memory_held, _run.pinned, _run.keep_alive, _run.last_used_at, _run.owner_job,
    _run.attended, _run.ready_at,
).order_by(_run.id)  # fmt: skip
_LIVE = _COLUMNS.where(is_live_run)
_HOLDING = _COLUMNS.where(
    _run.host.in_(bindparam("hosts", expanding=True)),
    _run.memory_held > 0,
    _run.state.in_((RunState.FAILED, RunState.STOPPED)),
)
_AT_WORK = select(_job.id).where(
    _job.id.in_(bindparam("owners", expanding=True)), _job.state.in_((JobState.ASSIGNED, JobState.RUNNING))
)
_ENDED = (
    select(_run.model_id, _run.runtime, _run.ended_at, _run.error, _run.ready_at)
    .where(_run.model_id.in_(bindparam("models", expanding=True)), _run.ended_at >= bindparam("since"))
    .where(_run.runtime.is_not(None), _run.ready_at.is_not(None) | (_run.state == RunState.FAILED))
    .order_by(_run.ended_at.desc())
    .limit(_LOADS)
)

_log = structlog.get_logger(__name__)


def read_runs(
    connection: Connection, hosts: Collection[str], uses: Iterable[Use], moment: float
) -> tuple[RunView, ...]:
    """Runs that are not over, and those that are but still hold memory of a host."""
    rows = list(connection.execute(_LIVE))
    if hosts:
        rows += connection.execute(_HOLDING, {"hosts": list(hosts)})
    owners = {row.owner_job for row in rows if row.owner_job}
    at_work = set(connection.scalars(_AT_WORK, {"owners": list(owners)})) if owners else set()
    on_run = {use.run_id: use for use in uses if use.run_id}
    return tuple(_view(row, on_run.get(row.id), at_work, moment) for row in rows)


@lru_cache(1024)
def _run_spec(text: str) -> RunSpec:
    """Of one that cannot be read nothing is known; the memory that it holds counts all the same."""
    try:
        return RunSpec.model_validate_json(text)
    except ValidationError as error:
        _log.warning("a run's wishes cannot be read", reason=error.errors(include_input=False)[0]["msg"])
        return RunSpec()


def _view(row: Row[*tuple[Any, ...]], use: Use | None, at_work: Collection[str], moment: float) -> RunView:
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
        ready_at=row.ready_at,
        # The gateway dates the last use of a run ahead of time while it has requests on it.
        streaming=last_used_at > moment,
        attended=row.attended if last_used_at > moment - ATTENTIVE else 0,
        owner_job=row.owner_job,
        owner_live=row.owner_job is None or row.owner_job in at_work,
    )


def read_loads(connection: Connection, since: dict[str, float]) -> tuple[LoadView, ...]:
    """How runs of these models ended, newest first, from the earliest of the given times on."""
    if not since:
        return ()
    rows = connection.execute(_ENDED, {"models": list(since), "since": min(since.values())})
    return tuple(
        LoadView(model_id, runtime, ended_at, None if ready_at is not None else _problem(error))
        for model_id, runtime, ended_at, error, ready_at in rows
    )


def _problem(error: dict[str, Any] | None) -> Problem:
    if error is None:
        return RunDied("A run ended before it was ready", "it left no message", "see `cidermill runs logs`").problem
    return Problem.model_validate(error)
