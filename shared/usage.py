"""What was used: by which key, of which model, on which day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, case, func, select, tuple_
from sqlalchemy.orm import Session

from shared.db import clock_time
from shared.errors import InvalidParameters
from shared.tables import Usage
from shared.upsert import insert_for

#: What is charged: a `Part`, or a job.
Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests and jobs, the tokens and seconds of recordings in them, and how long they took together."""

    requests: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    audio: float = 0.0
    seconds: float = 0.0
    joules: float | None = None

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            requests=self.requests + other.requests,
            prompt=self.prompt + other.prompt,
            cached=self.cached + other.cached,
            completion=self.completion + other.completion,
            audio=self.audio + other.audio,
            seconds=self.seconds + other.seconds,
            joules=_sum(self.joules, other.joules),
        )

    @property
    def tokens(self) -> int:
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Part:
    """Who used what: a key's id and a model's name."""

    key: str
    model: str


def total(*parts: Mapping[Name, Spent]) -> dict[Name, Spent]:
    """All of it together."""
    sums: defaultdict[Name, Spent] = defaultdict(Spent)
    for some in parts:
        for name, spent in some.items():
            sums[name] += spent
    return dict(sums)


def add(session: Session, spent: Mapping[Part, Spent]) -> None:
    """Add to what was used today."""
    if not spent:
        return
    day = day_of(clock_time(session))
    rows = [
        {"day": day, "key": part.key, "model": part.model[:200]} | {f.name: getattr(it, f.name) for f in fields(Spent)}
        for part, it in sorted(spent.items(), key=lambda item: (item[0].key, item[0].model))
    ]
    insert = insert_for(session, Usage)
    sums = {f.name: getattr(Usage, f.name) + insert.excluded[f.name] for f in fields(Spent) if f.name != "joules"}
    new = insert.excluded["joules"]
    sums["joules"] = case((new.is_(None), Usage.joules), else_=func.coalesce(Usage.joules, 0.0) + new)
    for row in rows:
        session.execute(insert.values(row).on_conflict_do_update(index_elements=["day", "key", "model"], set_=sums))


def listed(
    session: Session, *, since: str | None = None, until: str | None = None, key: str | None = None,
    model: str | None = None, after: str | None = None, limit: int | None = None,
) -> Sequence[Usage]:  # fmt: skip
    """Rows of days from `since` to `until`, both included, the newest day first, behind the one with the id `after`.

    Raises InvalidParameters for what is no id of a row.
    """
    query = select(Usage).order_by(Usage.day.desc(), Usage.key, Usage.model).limit(limit)
    if after is not None:
        query = query.where(*_behind(after))
    if since is not None:
        query = query.where(Usage.day >= since)
    if until is not None:
        query = query.where(Usage.day <= until)
    if key is not None:
        query = query.where(Usage.key == key)
    if model is not None:
        query = query.where(Usage.model == model)
    return session.scalars(query).all()


def _behind(after: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The first of both is what an index finds."""
    try:
        day, key, model = after.split(":", 2)
    except ValueError as error:
        why, fix = "it is not day:key:model", "give the `last_id` of a page"
        raise InvalidParameters(f"{after!r} is no row's id", why, fix, field="after") from error
    return Usage.day <= day, (Usage.day < day) | (tuple_(Usage.key, Usage.model) > (key, model))


def of_day(session: Session, key: str, day: str) -> Spent:
    """What a key used of all models together."""
    total = Spent()
    for row in listed(session, since=day, until=day, key=key):
        total += Spent(row.requests, row.prompt, row.cached, row.completion, row.audio, row.seconds, row.joules)
    return total


def day_of(moment: float) -> str:
    """The day (UTC) of a time, as in `2026-11-21`."""
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


def _sum(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else one + other
