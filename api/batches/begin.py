"""Begins a batch: its file is read and split, and its jobs are queued, all of them or none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from api.batches import recordings, rows
from api.batches.collect import are_known, refuse
from api.batches.contract import Part
from api.batches.dialects import dialect_of
from api.batches.lines import lines
from api.batches.split import Draft, Refused, Split, Splitter
from api.deps import FrontDoor
from api.gateway import model_names
from api.gateway.model_names import Found
from shared import files, keys, quota_book
from shared.db import clock_time
from shared.errors import BadRequest, CannotFit, Conflict, Forbidden, InvalidParameters, NotFound, QuotaExceeded
from shared.files import PART, Stored
from shared.grants import check_model
from shared.jobs import service
from shared.jobs.intake import Submission
from shared.keys import Caller
from shared.kinds.inference import Inference
from shared.tables import Batch, File
from shared.vocabulary import Priority

#: Seconds that jobs have at least: one whose deadline has passed is refused, and a batch whose window ends while it is
#: begun shall expire instead, which its keeper sees to.
_LEAST = 60.0


def begin(door: FrontDoor, row: Batch) -> None:
    """Queue the jobs of a batch that was only accepted, or say why it failed. Raises NoCapacity, to be tried again."""
    split, refused = Split(), None
    try:
        begun = _begun(door, row, split)
    except (NotFound, BadRequest, CannotFit, Forbidden, QuotaExceeded) as error:
        begun, refused = False, error
    except Conflict:
        # Cancelled, or begun by another front door, while the file was read.
        begun = False
    except BaseException:
        # A commit that was not answered may hold all the same.
        if not are_known(door, row, split.all_stored):
            split.discard(door.store)
        raise
    if not begun:
        split.discard(door.store)
    if refused is not None:
        refuse(door, row, refused)


def _begun(door: FrontDoor, row: Batch, split: Split) -> bool:
    """Split it and queue its jobs; `False`: it has failed by its mistakes."""
    with door.read() as session:
        caller = keys.holder(session, row.owner)
        file = files.held(session, row.input_file)

    def find(name: str) -> Found:
        with door.read() as session:
            found = model_names.find(session, name, door.settings.default_model)
        check_model(caller, found.model.name, name)
        return found

    def find_file(file_id: str) -> None:
        with door.read() as session:
            files.find(session, file_id, caller.sees)

    splitter = Splitter(split, door.store, dialect_of(row.dialect), row.endpoint, find, find_file)
    splitter.split(file, _counted(door, caller, file))
    if split.mistakes:
        _fail(door, row, split)
    else:
        _queue(door, row, split, caller)
    return not split.mistakes


def _counted(door: FrontDoor, caller: Caller, file: File) -> int:
    """Lines of the file. Raises InvalidParameters for too many, and QuotaExceeded for more than the key may ask now."""
    most = door.settings.batch_limit
    total = sum(1 for _ in islice(lines(door.store, file.id, file.size), most + 1))
    if total > most:
        why = f"a batch may have {most:,} requests"
        raise InvalidParameters("The file has too many lines", why, "split it into several batches")
    if caller.limits:
        with door.read() as session:
            moment = clock_time(session)
            quota_book.opened(session, caller.id, "", caller.limits, moment).admit_many(total, caller.limits, moment)
    return total


def _fail(door: FrontDoor, row: Batch, split: Split) -> None:
    with door.write() as session:
        rows.fail(session, row, split.total, split.mistakes)


def _queue(door: FrontDoor, row: Batch, split: Split, caller: Caller) -> None:
    """Files, jobs, their count as requests of the key and the batch's state in one transaction."""
    refused = split.stored = _keep_refused(door, row, split.refused)
    with door.write(wake=True) as session:
        read = [
            files.add(
                session, draft.stored, name=f"{row.id}-{number}.jsonl", purpose=PART,
                content_type="application/jsonl", owner=row.owner,
            )
            for number, draft in enumerate(split.parts, 1)
        ]  # fmt: skip
        deadline = max(row.expires_at, clock_time(session) + _LEAST)
        prepared = service.prepare(session, [_submission(row, draft, deadline) for draft in split.parts], row.owner)
        submitted = service.queue(session, prepared)
        parts = [_part(job.id, draft) for job, draft in zip(submitted, split.parts, strict=True)]
        for file, job in zip(read, submitted, strict=True):
            file.job_id = job.id
        if refused is not None:
            files.add(
                session, refused, name=f"{row.id}-refused.jsonl", purpose=PART,
                content_type="application/jsonl", owner=row.owner, job_id=parts[0].job if parts else None,
            )  # fmt: skip
        rows.begin(session, row, parts, split.total, refused.id if refused is not None else None)
        door.meter.desk.admit_jobs(session, caller, split.total - len(split.refused))


def _part(job_id: str, draft: Draft) -> Part:
    pile = draft.pile
    return Part(job_id, draft.stored.id, pile.called if pile.alike else None, draft.lines)


def _keep_refused(door: FrontDoor, row: Batch, refused: Sequence[Refused]) -> Stored | None:
    """Lines that go into the error file as they are."""
    if not refused:
        return None
    dialect, sink = dialect_of(row.dialect), door.store.sink(door.settings.upload_limit)
    for each in refused:
        line = dialect.refused(each.custom_id, each.problem, each.status)
        sink.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    return sink.keep()


def _submission(row: Batch, draft: Draft, deadline: float) -> Submission:
    pile, heard = draft.pile, draft.recordings
    params: dict[str, Any] = {"model": pile.found.model.name}
    if heard:
        params |= recordings.work(heard)
    else:
        params |= {"file": draft.stored.id, "asks": pile.capability.value}
    if pile.found.host is not None:
        params["host"] = pile.found.host
    if spec := pile.spec.model_dump(mode="json", exclude_unset=True):
        params["spec"] = spec
    return Submission(
        kind=recordings.KIND if heard else Inference.name,
        params=params,
        priority=Priority.BATCH,
        labels={"batch": row.id},
        deadline=datetime.fromtimestamp(deadline, UTC),
        called=pile.called,
    )
