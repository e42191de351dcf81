"""Quarantine: a model that brought a host, or itself over and over, down there is not loaded there until it is let out.

Written inside the transactions that see it happen: a host registers after a boot that nobody asked for, or a worker
reports a run that crashed. The echo model crashes because it is told to, and is never barred.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select
from sqlalchemy.orm import Session

from shared import events
from shared.db import clock_time
from shared.errors import NotFound
from shared.tables import Model, Quarantine, Run
from shared.upsert import insert_for
from shared.vocabulary import Format, RunState

#: Crashes of one model on one host within so many seconds that bar it there.
CRASHES, CRASH_WINDOW = 5, 900.0
#: A run that became ready less than so many seconds before its host went down is suspected.
SUSPECT = 600.0

_LOADED = (RunState.STARTING, RunState.READY, RunState.STOPPING)
_barred = Quarantine.__table__.c
_BARRED = select(_barred.model_id, _barred.host, _barred.reason).where(
    _barred.model_id.in_(bindparam("ids", expanding=True))
)
_MARK = select(func.count(), func.max(_barred.since))


@dataclass(frozen=True, slots=True)
class Barred:
    """A model, by id and name, that a host does not load, since when (seconds since 1970), and why."""

    model_id: str
    model: str
    host: str
    reason: str
    since: float


# --- what is seen ------------------------------------------------------------------------------


def after_panic(session: Session, host: str, how: str) -> list[str]:
    """A host is back from a boot that nobody asked for: bar what it was loading or had just loaded; their names.

    `how` says what became of the host. Call it before the runs of the last boot are given up.
    """
    moment = clock_time(session)
    rows = session.scalars(
        select(Run).where(Run.host == host, Run.worker.is_not(None), Run.state.in_(_LOADED) | (Run.memory_held > 0))
    ).all()
    suspects = {run.model_id: run for run in rows if _suspect(run, moment)}
    for run in suspects.values():
        doing = "was being loaded" if run.ready_at is None else "had just been loaded"
        _bar(session, run, f"{how} while {run.model} {doing}", moment)
    return sorted(run.model for run in suspects.values())


def _suspect(run: Run, moment: float) -> bool:
    """It was loading, or was ready for a short while only, when it was last heard of."""
    if run.ready_at is None:
        return True
    return (run.ended_at or run.lease_until or moment) - run.ready_at <= SUSPECT


def after_crash(session: Session, run: Run) -> bool:
    """A worker saw this run crash: bar the model when that has happened too often lately; was it barred?"""
    moment = clock_time(session)
    query = select(Run.error).where(
        Run.model_id == run.model_id,
        Run.host == run.host,
        Run.state == RunState.FAILED,
        Run.ended_at > moment - CRASH_WINDOW,
    )
    crashes = sum(_crashed(error) for error in session.scalars(query))
    if crashes < CRASHES:
        return False
    minutes = round(CRASH_WINDOW / 60)
    last = (run.error or {}).get("what", "its process ended")
    return _bar(
        session, run, f"{run.model} crashed {crashes} times in {minutes} minutes; the last time: {last}", moment
    )


def _crashed(error: Mapping[str, Any] | None) -> bool:
    """By itself: one that was lost with its worker or host is not the model's fault."""
    return bool(error and error.get("crash") and "exit_code" in error.get("details", {}))


def _bar(session: Session, run: Run, reason: str, moment: float) -> bool:
    """The first reason stays; the model may be gone from the catalog by now."""
    packed = session.scalar(select(Model.format).where(Model.id == run.model_id))
    if packed is None or packed == Format.ECHO or run.host is None:
        return False
    row = {"model_id": run.model_id, "host": run.host, "reason": reason, "since": moment}
    insert = insert_for(session, Quarantine).values(row).on_conflict_do_nothing().returning(Quarantine.host)
    if session.scalar(insert) is None:
        return False
    told = {"model_id": run.model_id, "model": run.model, "reason": reason}
    events.record(session, [{"type": "model.quarantined", "run_id": run.id, "host": run.host, "data": told}])
    return True


# --- people ------------------------------------------------------------------------------------


def quarantines(session: Session) -> list[Barred]:
    """All of them, the newest first."""
    rows = session.execute(
        select(Quarantine, Model.name)
        .join(Model, Model.id == Quarantine.model_id)
        .order_by(Quarantine.since.desc(), Quarantine.model_id, Quarantine.host)
    )
    return [Barred(row.model_id, name, row.host, row.reason, row.since) for row, name in rows]


def lift(session: Session, model: Model, host: str) -> None:
    """Let a host load the model again. Raises NotFound when it is not barred there."""
    gone = delete(Quarantine).where(Quarantine.model_id == model.id, Quarantine.host == host).returning(Quarantine.host)
    if session.scalar(gone) is None:
        raise NotFound(
            f"{model.name} is not in quarantine on {host}",
            "it was never barred there, or was let out before",
            "see `cidermill hosts quarantine ls`",
        )
    told = {"model_id": model.id, "model": model.name}
    events.record(session, [{"type": "model.released", "host": host, "data": told}])


# --- looking -----------------------------------------------------------------------------------


def read_barred(connection: Connection, model_ids: Collection[str]) -> dict[str, dict[str, str]]:
    """Hosts, with the reason, that do not load these models; by model, those without any left out."""
    found: dict[str, dict[str, str]] = {}
    for model_id, host, reason in connection.execute(_BARRED, {"ids": list(model_ids)}):
        found.setdefault(model_id, {})[host] = reason
    return found


def quarantine_mark(connection: Connection) -> tuple[Any, ...]:
    """Changes whenever a model is barred or let out."""
    return tuple(connection.execute(_MARK).one())
