"""Parts of the one queue: their weights in the fair share, their limits, whether they are paused.

A part without a row has weight 1, no limit, and is not paused. See `shared/queue_parts.py` for their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, TextClause, case, delete, exists, func, literal, select, update
from sqlalchemy.orm import Session

from shared import events
from shared.db import clock_time
from shared.queue_parts import ALL, belongs, check_name
from shared.tables import Attempt, Job, Queue, is_live_attempt, is_waiting_job
from shared.upsert import insert_for


@dataclass(frozen=True)
class Part:
    """A part of the queue and what is in it."""

    name: str
    weight: float = 1.0
    stride_pass: float = 0.0
    max_running: int | None = None
    #: Since when; seconds since 1970.
    paused_at: float | None = None
    waiting: int = 0
    running: int = 0


@dataclass(frozen=True)
class Limits:
    """Parts that hold jobs back: those that are paused, and how many more may begin in those with a limit."""

    paused: frozenset[str] = frozenset()
    left: Mapping[str, int] = field(default_factory=dict)


# --- the scheduler -----------------------------------------------------------------------------


def running(session: Session, names: Collection[str]) -> dict[str, int]:
    """Jobs of each part that are assigned or running."""
    if not names:
        return {}
    counts = [func.coalesce(func.sum(case((belongs(name), 1), else_=0)), 0) for name in names]
    at_work = select(*counts).select_from(Job).join(Attempt, Attempt.job_id == Job.id).where(is_live_attempt)
    row = session.execute(at_work).one()
    return {name: int(count) for name, count in zip(names, row, strict=True)}


def limits(session: Session) -> Limits:
    """What holds jobs back now."""
    rows = session.execute(
        select(Queue.name, Queue.max_running, Queue.paused_at).where(
            Queue.paused_at.is_not(None) | Queue.max_running.is_not(None)
        )
    ).all()
    limited = {name: limit for name, limit, _ in rows if limit is not None}
    at_work = running(session, limited)
    left = {name: limit - at_work[name] for name, limit in limited.items()}
    return Limits(frozenset(name for name, _, paused in rows if paused is not None), left)


def note_passes(session: Session, passes: Mapping[str, float]) -> None:
    """Write where parts stand in the fair share; parts without a row get one."""
    if not passes:
        return
    insert = insert_for(session, Queue)
    rows = [{"name": name, "weight": 1.0, "stride_pass": number} for name, number in sorted(passes.items())]
    session.connection().execute(
        insert.on_conflict_do_update(index_elements=[Queue.name], set_={"stride_pass": insert.excluded.stride_pass}),
        rows,
    )


def forget_idle(session: Session) -> None:
    """Drop rows that say nothing: of keys at rest that nobody has set anything for. A label's says that it is named."""
    plain = (
        Queue.weight == 1.0, Queue.max_running.is_(None), Queue.paused_at.is_(None), Queue.name.startswith("key:"),
    )  # fmt: skip
    waits = exists().where(is_waiting_job, Job.queue == Queue.name)
    at_work = select(Job.queue).where(Job.id.in_(_LIVE))
    session.execute(
        delete(Queue).where(*plain, ~waits, Queue.name.not_in(at_work)),
        execution_options={"synchronize_session": False},
    )


# --- people ------------------------------------------------------------------------------------


def named_labels(session: Session) -> frozenset[str]:
    """Labels that an admin has set something for: only they have shares of their own."""
    return frozenset(session.scalars(select(Queue.name).where(Queue.name.startswith("label:"))))


def put(session: Session, name: str, changes: Mapping[str, Any]) -> None:
    """Change `weight` or `max_running` of a part. Raises InvalidParameters."""
    check_name(name)
    _row(session, name)
    if changes:
        session.execute(update(Queue).where(Queue.name == name).values(**changes))
    events.record(session, [{"type": "queue.changed", "data": {"queue": name, **changes}}])


def pause(session: Session, name: str) -> None:
    """Hold the waiting jobs of a part back; what runs is finished. Raises InvalidParameters."""
    check_name(name)
    _row(session, name)
    since = func.coalesce(Queue.paused_at, literal(clock_time(session)))
    session.execute(update(Queue).where(Queue.name == name).values(paused_at=since))
    events.record(session, [{"type": "queue.paused", "data": {"queue": name}}])


def resume(session: Session, name: str) -> None:
    """Let the jobs of a part go on. Raises InvalidParameters."""
    check_name(name)
    session.execute(update(Queue).where(Queue.name == name).values(paused_at=None))
    events.record(session, [{"type": "queue.resumed", "data": {"queue": name}}])


def _row(session: Session, name: str) -> None:
    """Make sure that the part has a row."""
    row = {"name": name, "weight": 1.0, "stride_pass": 0.0}
    session.execute(insert_for(session, Queue).values(row).on_conflict_do_nothing())


def find(session: Session, name: str) -> Part:
    """One part, whether it has a row or not. Raises InvalidParameters."""
    check_name(name)
    return next(part for part in listed(session, name) if part.name == name)


def listed(session: Session, also: str = ALL) -> list[Part]:
    """Every part that has a row or jobs that wait or run, by name; `also` in any case."""
    rows = {row.name: row for row in session.scalars(select(Queue))}
    labels = [name for name in {*rows, also} if name.startswith("label:")]
    waits, works = _counts(session, is_waiting_job, labels), _counts(session, Job.id.in_(_LIVE), labels)
    return [_part(name, rows.get(name), waits[name], works[name]) for name in sorted({*rows, *waits, *works, also})]


_LIVE = select(Attempt.job_id).where(is_live_attempt)


def _part(name: str, row: Queue | None, waiting: int, at_work: int) -> Part:
    if row is None:
        return Part(name, waiting=waiting, running=at_work)
    return Part(name, row.weight, row.stride_pass, row.max_running, row.paused_at, waiting, at_work)


def _counts(session: Session, which: TextClause | ColumnElement[bool], labels: Collection[str]) -> Counter[str]:
    """Jobs by part; of labels that no job takes its turns by, only of those named."""
    found: Counter[str] = Counter()
    ways = (Job.kind, Job.priority, Job.owner, Job.queue)
    for kind, priority, owner, queue, count in session.execute(
        select(*ways, func.count()).where(which).group_by(*ways)
    ):
        for name in {ALL, f"kind:{kind}", f"class:{priority}", f"key:{owner}", queue}:
            found[name] += count
    for name in labels:
        found[name] = session.scalar(select(func.count()).select_from(Job).where(which, belongs(name))) or 0
    return found
