"""Batches in the database. States change here only, each by one compare-and-set, so that no step is taken twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from api.batches.contract import BatchState, Part
from api.batches.dialects import dialect_of
from api.gateway.pieces import Usage
from shared.db import clock_time
from shared.errors import Conflict, NotFound
from shared.identifiers import new_id
from shared.jobs import pieces
from shared.tables import Batch, File, is_live_batch

_WAITING = (BatchState.VALIDATING, BatchState.IN_PROGRESS)
_LIVE = (*_WAITING, BatchState.FINALIZING, BatchState.CANCELLING)


def add(
    session: Session, dialect: str, endpoint: str, input_file: str, *, owner: str, window: str, seconds: float,
    details: Mapping[str, Any], output_seconds: float | None = None,
) -> Batch:  # fmt: skip
    """A new batch over a file; `output_seconds` is how long the files that it writes are kept."""
    moment = clock_time(session)
    row = Batch(
        id=new_id(dialect_of(dialect).id_prefix), dialect=dialect, endpoint=endpoint,
        state=BatchState.VALIDATING, owner=owner, completion_window=window, details=dict(details),
        input_file=input_file, output_seconds=output_seconds, parts=[], counts={}, errors=[], total=0,
        created_at=moment, expires_at=moment + seconds,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def find(session: Session, batch_id: str, dialect: str, owner: str | None = None) -> Batch:
    """With `owner` only that key's. Raises NotFound."""
    row = session.get(Batch, batch_id)
    if row is None or row.dialect != dialect or owner not in (None, row.owner):
        raise NotFound(f"There is no batch {batch_id}", "the id is wrong", "list them to see what there is")
    return row


def batches(
    session: Session, dialect: str, owner: str | None, *, after: str | None, limit: int, newer: bool = False
) -> list[Batch]:
    """Of that key, or with `None` of all, the newest first, from the one after `after`.

    With `newer` those before it, the nearest first.
    """
    query = select(Batch).where(Batch.dialect == dialect).limit(limit)
    if owner is not None:
        query = query.where(Batch.owner == owner)
    query = query.order_by(Batch.id if newer else Batch.id.desc())
    if after is not None:
        query = query.where(Batch.id > after if newer else Batch.id < after)
    return list(session.scalars(query))


def live(session: Session) -> list[Batch]:
    """Those that are not over, the oldest first."""
    return list(session.scalars(select(Batch).where(is_live_batch).order_by(Batch.id)))


def parts_of(row: Batch) -> list[Part]:
    return [Part(**part) for part in row.parts]


def begin(session: Session, row: Batch, parts: Sequence[Part], total: int, refused_file: str | None) -> None:
    """Its jobs are queued in this transaction. Raises Conflict when somebody was faster."""
    now = {"in_progress_at": clock_time(session)}
    told = {"parts": [asdict(part) for part in parts], "total": total, "refused_file": refused_file}
    if not _move(session, row.id, (BatchState.VALIDATING,), BatchState.IN_PROGRESS, **told, **now):
        raise Conflict(f"Batch {row.id} is no longer validated", "it was begun or cancelled meanwhile", "nothing")


def fail(
    session: Session, row: Batch, total: int, mistakes: Sequence[Mapping[str, Any]], output: str | None = None
) -> bool:
    """Nothing of it was asked; `False` when somebody was faster."""
    told = {"errors": [dict(mistake) for mistake in mistakes], "total": total, "output_file": output}
    return _move(session, row.id, (BatchState.VALIDATING,), BatchState.FAILED, finished_at=clock_time(session), **told)


def finalize(session: Session, row: Batch) -> None:
    """Nothing more is asked: what there is will be written."""
    moment = clock_time(session)
    _move(session, row.id, _WAITING, BatchState.FINALIZING, finalizing_at=moment)


def cancel(session: Session, batch_id: str, dialect: str, owner: str | None = None) -> Batch:
    """Ask it to end; what is finished is written. Raises NotFound, or Conflict when it is over."""
    row = find(session, batch_id, dialect, owner)
    if row.state not in _LIVE:
        raise Conflict(f"Batch {batch_id} is over", f"it is {row.state}", "nothing to do")
    _move(session, batch_id, _WAITING, BatchState.CANCELLING, cancelling_at=clock_time(session))
    session.refresh(row)
    return row


def finish(
    session: Session,
    row: Batch,
    state: BatchState,
    counts: Mapping[str, int],
    usage: Usage,
    mistakes: Sequence[Mapping[str, Any]],
    output: str | None,
    errors: str | None,
) -> bool:
    """Its files are written; `False` when somebody was faster."""
    told = {"counts": dict(counts), "total": sum(counts.values()), "usage": asdict(usage)}
    told |= {"errors": [dict(mistake) for mistake in mistakes], "output_file": output, "error_file": errors}
    ending = (BatchState.FINALIZING, BatchState.CANCELLING)
    return _move(session, row.id, ending, state, finished_at=clock_time(session), **told)


def check_unneeded(session: Session, file_id: str) -> None:
    """Raises Conflict for a file without which a batch that is not over could not tell what became of its lines."""
    for row in live(session):
        # What was asked is read once, and then split.
        asked = row.input_file if row.in_progress_at is None else row.refused_file
        if file_id in (asked, *(part.file for part in parts_of(row))):
            raise Conflict(
                f"File {file_id} is needed", f"batch {row.id} reads it", "cancel it, or wait until it is over"
            )


def remove(session: Session, batch_id: str, dialect: str, owner: str | None = None) -> list[str] | None:
    """Forget a batch that is over, what it asked and what was answered; the files whose bytes go after the commit.

    Many answers take several steps, each a transaction: `None` asks for the next. Until the last the batch is there,
    with its files, to be removed again should nobody go on. What it cost stays counted, and its jobs stay known until
    their retention is over. Raises NotFound, and Conflict while it is not over.
    """
    row = find(session, batch_id, dialect, owner)
    if row.state in _LIVE:
        raise Conflict(f"Batch {batch_id} is not over", f"it is {row.state}", "cancel it, and wait until it has ended")
    parts = parts_of(row)
    if pieces.forget(session, [part.job for part in parts]):
        return None
    named = [row.input_file, row.output_file, row.error_file, row.refused_file, *(part.file for part in parts)]
    session.delete(row)
    return list(session.scalars(delete(File).where(File.id.in_([name for name in named if name])).returning(File.id)))


def _move(session: Session, batch_id: str, before: Sequence[BatchState], after: BatchState, **values: Any) -> bool:
    moved = update(Batch).where(Batch.id == batch_id, Batch.state.in_(before)).values(state=after, **values)
    done = session.execute(moved.returning(Batch.id), execution_options={"synchronize_session": False})
    return done.scalar() is not None
