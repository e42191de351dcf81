"""The log of requests through the gateway: who asked which model, how it ended, what it took; what was said only when
`log_content` is on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from shared.db import clock_time
from shared.tables import Call

DONE = "done"
LEFT = "left"
#: Bytes of a request's body that are kept; of a longer one only how long it was.
_LONGEST = 256 * 1024


@dataclass(frozen=True, slots=True)
class Called:
    """One request that is over; tokens and seconds are zero where no engine answered."""

    request_id: str
    key: str
    model: str
    path: str
    #: `done`, `left` when the client went before the end, or the code of the error.
    outcome: str
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    seconds: float = 0.0
    #: The request's body; `None`: not logged.
    content: dict[str, Any] | None = None


def content_of(body: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a request's body; only its size when it is too long, or has a NaN, which PostgreSQL refuses."""
    try:
        size = len(json.dumps(body, allow_nan=False))
    except ValueError:
        return {"bytes": len(json.dumps(body))}
    return body if size <= _LONGEST else {"bytes": size}


def record(session: Session, calls: Iterable[Called]) -> None:
    """Add what is over; it happened just now."""
    moment = clock_time(session)
    rows = [_row(call) | {"at": moment} for call in calls]
    if rows:
        session.execute(insert(Call), rows)


def listed(
    session: Session, *, before: int | None = None, key: str | None = None, model: str | None = None, limit: int = 50
) -> Sequence[Call]:
    """The newest first, older than `before`."""
    query = select(Call).order_by(Call.seq.desc()).limit(limit)
    for wanted, column in ((key, Call.key), (model, Call.model)):
        if wanted is not None:
            query = query.where(column == wanted)
    if before is not None:
        query = query.where(Call.seq < before)
    return session.scalars(query).all()


def _row(call: Called) -> dict[str, Any]:
    """Its content as it is: `asdict` would copy it level by level, and deep nesting ends that."""
    row = {field.name: getattr(call, field.name) for field in fields(call)}
    return row | {"model": _plain(call.model)[:200], "path": call.path[:120]}


def _plain(name: str) -> str:
    """What was asked for may be the name of nothing; what no database stores of it is a question mark."""
    return name.encode(errors="replace").decode().replace("\0", "?")
