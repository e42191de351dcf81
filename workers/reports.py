"""Reports of a worker as they go over the wire: how much of one can be told, and which go together."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from shared import protocol
from shared.errors import ExecutionError, Problem
from shared.protocol import LARGEST, AttemptRef, FinishedAttempt, Item, RunReport
from shared.units import MIB, format_bytes
from workers.spool import Entry

#: Most pieces of an attempt in one body.
_ITEMS = 512
#: Bytes of reports that go together: the front door reads a body at once.
_BYTES = 16 * MIB


class Items(BaseModel):
    """Finished pieces of an attempt."""

    ref: AttemptRef
    items: list[Item]


Report = Items | FinishedAttempt | RunReport


class Waiting(NamedTuple):
    """A report that nobody has taken yet."""

    report: Report
    #: Bytes, as it is written.
    size: int


def size_of(message: BaseModel) -> int | None:
    """In bytes, as it is written; `None` when it cannot be told.

    Half a character cannot be written, what is nested too deep not be read, and what is too large is not taken.
    """
    try:
        written = message.model_dump_json().encode()
        type(message).model_validate_json(written)
    except (PydanticSerializationError, ValidationError):
        return None
    return len(written) if len(written) <= LARGEST else None


def untold() -> ExecutionError:
    """Why something cannot be told."""
    most = format_bytes(LARGEST)
    return ExecutionError(
        "What came of the job cannot be reported",
        f"a text in it holds half a character, its lists and objects are nested too deep, or it has over {most}",
        "correct what the job asks for; else see the run's log",
    )


def plain(error: Problem | None) -> Problem:
    """What can be told of an error in place of its own words."""
    told = untold().problem
    if error is None:
        return told
    return told.model_copy(update={"code": error.code, "retryable": error.retryable, "crash": error.crash})


def together(waiting: Iterable[Waiting]) -> list[Report]:
    """The first report, and its neighbours of the same sort that go into the same body."""
    batch: list[Report] = []
    left = _BYTES
    for report, size in waiting:
        left -= size
        if batch and (left < 0 or type(report) is not type(batch[0])):
            break
        batch.append(report)
    return batch


def written(batch: Iterable[Report], worker: str) -> list[tuple[Entry, list[AttemptRef]]]:
    """Reports as they go over the wire, in order: neighbours of one sort together."""
    entries: list[tuple[Entry, list[AttemptRef]]] = []
    for sort, group in groupby(batch, type):
        reports = list(group)
        if sort is FinishedAttempt:
            finished = [r for r in reports if isinstance(r, FinishedAttempt)]
            message = protocol.Finish(worker=worker, attempts=finished)
            entries.append((Entry("/finish", message.model_dump_json(exclude_none=True)), list(finished)))
        elif sort is Items:
            entries += _of_items([r for r in reports if isinstance(r, Items)], worker)
        else:
            entries += [(Entry("/runs/report", r.model_dump_json(exclude_none=True)), []) for r in reports]
    return entries


def _of_items(reports: list[Items], worker: str) -> list[tuple[Entry, list[AttemptRef]]]:
    by_attempt: dict[tuple[str, int], list[Item]] = {}
    for report in reports:
        by_attempt.setdefault((report.ref.job_id, report.ref.attempt), []).extend(report.items)
    entries = []
    for (job_id, attempt), items in by_attempt.items():
        for start in range(0, len(items), _ITEMS):
            part = items[start : start + _ITEMS]
            message = protocol.Items(job_id=job_id, attempt=attempt, worker=worker, items=part)
            entries.append((Entry("/items", message.model_dump_json()), [AttemptRef(job_id=job_id, attempt=attempt)]))
    return entries
