"""Jobs that are submitted again and again, at times that a cron expression names in a time zone.

Each due time is submitted once: its job carries an idempotency key of the schedule and that time. Of times that passed
while nobody scheduled, only the last is made up for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from shared import events
from shared.cron import last_time, next_time
from shared.db import clock_time
from shared.errors import Conflict, InvalidParameters, NotFound, Problem
from shared.identifiers import new_id
from shared.jobs.intake import Submission, read_submission
from shared.nearest import did_you_mean, nearest
from shared.tables import Schedule
from shared.upsert import insert_for

#: Seconds by which clocks are set all the time.
_STEP = 60.0


@dataclass(frozen=True)
class Wish:
    """A schedule as somebody asked for it; `job` is the body of `POST /v1/jobs`."""

    name: str
    cron: str
    job: Mapping[str, Any]
    timezone: str = "UTC"
    paused: bool = False


# --- people ------------------------------------------------------------------------------------


def add(session: Session, wish: Wish, owner: str) -> Schedule:
    """Keep a schedule; its job is checked before, as for every submit. Raises Conflict, InvalidParameters."""
    moment = clock_time(session)
    if session.scalar(_called(wish.name)) is not None:
        raise _taken(wish.name)
    first = next_time(wish.cron, wish.timezone, moment)
    if first is None:
        raise InvalidParameters(
            f"{wish.cron!r} names no time", "no such day comes for fifty years", "correct day and month", field="cron"
        )
    added = insert_for(session, Schedule).values(
        id=new_id("schedule"), name=wish.name, cron=wish.cron, timezone=wish.timezone, job=dict(wish.job),
        owner=owner, paused=wish.paused, created_at=moment, next_at=first,
    )  # fmt: skip
    # Somebody may have taken the name since it was looked up.
    row: Schedule | None = session.scalar(
        added.on_conflict_do_nothing(index_elements=[Schedule.name]).returning(Schedule)
    )
    if row is None:
        raise _taken(wish.name)
    _tell(session, "schedule.added", row)
    return row


def _taken(name: str) -> Conflict:
    fix = "choose another name, or remove it"
    return Conflict(f"There is a schedule {name!r} already", "a name is given once", fix)


def find(session: Session, name: str) -> Schedule:
    """By id, else by name. Raises NotFound with the nearest names."""
    row = session.scalar(_called(name))
    if row is None:
        names = session.scalars(select(Schedule.name)).all()
        raise NotFound(
            f"There is no schedule {name!r}",
            did_you_mean(name, names),
            "list them: cidermill schedules ls",
            nearest=nearest(name, names),
        )
    return row


def _called(name: str) -> Select[Schedule]:
    """The one of this id, before one of this name."""
    return select(Schedule).where((Schedule.id == name) | (Schedule.name == name)).order_by(Schedule.id != name)


def schedules(session: Session) -> list[Schedule]:
    """All of them, by name."""
    return list(session.scalars(select(Schedule).order_by(Schedule.name)))


def remove(session: Session, name: str) -> str:
    """Forget a schedule; jobs that it has submitted go on. Its id. Raises NotFound."""
    row = find(session, name)
    session.delete(row)
    session.flush()
    _tell(session, "schedule.removed", row)
    return row.id


def pause(session: Session, name: str) -> None:
    """Submit nothing until it is resumed. Raises NotFound."""
    row = find(session, name)
    row.paused = True
    session.flush()
    _tell(session, "schedule.paused", row)


def resume(session: Session, name: str) -> None:
    """Go on with the next time from now; what passed meanwhile is not made up for. Raises NotFound."""
    row = find(session, name)
    if row.paused:
        row.paused, row.next_at = False, next_time(row.cron, row.timezone, clock_time(session))
        session.flush()
    _tell(session, "schedule.resumed", row)


# --- what it submits ---------------------------------------------------------------------------


def submission(row: Schedule, key: str) -> Submission:
    """The job of a schedule, under an idempotency key of its own. Raises InvalidParameters."""
    return replace(read_job(row.job), idempotency_key=f"schedule:{row.id}:{key}", schedule=row.id)


def read_job(job: Mapping[str, Any]) -> Submission:
    """The body of `POST /v1/jobs` that a schedule keeps. Raises InvalidParameters."""
    try:
        return read_submission(dict(job))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(["job", *(str(part) for part in first["loc"])])
        raise InvalidParameters(f"{place} is wrong", str(first["msg"]).lower(), "correct it", field=place) from error


# --- the scheduler -----------------------------------------------------------------------------


def due(session: Session) -> list[str]:
    """Ids of the schedules whose time has come, the longest overdue first."""
    wanted = select(Schedule.id).where(Schedule.paused.is_(False), Schedule.next_at <= clock_time(session))
    return list(session.scalars(wanted.order_by(Schedule.next_at)))


def named(session: Session, ids: Sequence[str]) -> list[Schedule]:
    """Those of them that there still are, in this order."""
    return [row for id_ in ids if (row := session.get(Schedule, id_)) is not None]


def hurried(session: Session) -> list[Schedule]:
    """Schedules that fired at a time still to come, or wait beyond their next one: the clock was ahead for a while."""
    moment = clock_time(session)
    rows = session.scalars(select(Schedule).where(Schedule.next_at > moment))
    return [row for row in rows if (row.last_at or 0.0) > moment + _STEP or _waits_beyond(row, moment)]


def _waits_beyond(row: Schedule, moment: float) -> bool:
    soon = next_time(row.cron, row.timezone, moment)
    return soon is not None and (row.next_at or 0.0) > soon + _STEP


def call_back(session: Session, row: Schedule) -> None:
    """Wait for the next time from now; what the wrong clock has submitted already is not submitted twice."""
    moment = clock_time(session)
    soon = next_time(row.cron, row.timezone, moment)
    session.execute(
        update(Schedule)
        .where(Schedule.id == row.id, Schedule.next_at.is_not_distinct_from(row.next_at))
        .values(next_at=soon, last_at=last_time(row.cron, row.timezone, moment))
    )


def occasion(row: Schedule, moment: float) -> float:
    """The last time of a due schedule that has passed by `moment`."""
    return max(row.next_at or 0.0, last_time(row.cron, row.timezone, moment) or 0.0)


def note(session: Session, row: Schedule, occasion_at: float, job_id: str | None, error: Problem | None) -> None:
    """What became of an occasion, and when the next one is; only while nobody has changed the schedule since."""
    changed = session.scalar(
        update(Schedule)
        .where(Schedule.id == row.id, Schedule.next_at == row.next_at)
        .values(
            next_at=next_time(row.cron, row.timezone, occasion_at),
            last_at=occasion_at,
            last_job=job_id or Schedule.last_job,
            error=error.model_dump() if error else None,
        )
        .returning(Schedule.id)
        .execution_options(synchronize_session=False)
    )
    if changed is not None:
        told = {"job": job_id} if error is None else {"error": error.sentence()}
        _tell(session, "schedule.failed" if error else "schedule.fired", row, **told)


def note_delay(session: Session, row: Schedule, error: Problem) -> None:
    """Why an occasion is still to be made up for; written once for each reason."""
    if (row.error or {}).get("code") == error.code:
        return
    unchanged = Schedule.next_at == row.next_at
    session.execute(update(Schedule).where(Schedule.id == row.id, unchanged).values(error=error.model_dump()))


def note_run(session: Session, row: Schedule, job_id: str) -> None:
    """Somebody had it submit its job out of turn."""
    session.execute(update(Schedule).where(Schedule.id == row.id).values(last_job=job_id))
    _tell(session, "schedule.fired", row, job=job_id)


def _tell(session: Session, type_: str, row: Schedule, **more: Any) -> None:
    events.record(session, [{"type": type_, "data": {"schedule": row.id, "name": row.name, **more}}])
