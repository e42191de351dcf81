"""Anthropic's message batches: `/v1/messages/batches`, also under `/anthropic`.

Source: Anthropic's API reference, "Message Batches".
"""

from __future__ import annotations

import io
import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.batches import jobs, rows
from api.batches.anthropic import ENDPOINT, Anthropic
from api.batches.contract import BatchState, Unanswered
from api.batches.keeper import Keeper
from api.deps import Changer, Door, FrontDoor, Reader, Submitter
from api.downloads import send_file
from api.gateway.reading import need, read_object
from api.own_address import own_address
from shared import files
from shared.errors import Conflict, InvalidParameters
from shared.files import NO_LIMIT
from shared.keys import Caller
from shared.moments import rfc3339
from shared.tables import Batch

router = APIRouter(tags=["anthropic"])

_DAY = 86400.0
#: What a request may be called.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PATHS = ("/v1/messages/batches", "/anthropic/v1/messages/batches")
_LIVE = (BatchState.VALIDATING, BatchState.IN_PROGRESS, BatchState.FINALIZING)

Limit = Annotated[int, Query(ge=1, le=1000, description="Batches of a page.")]
Id = Annotated[str | None, Query(max_length=64)]


@router.post(_PATHS[0])
@router.post(_PATHS[1])
async def create(request: Request, door: Door, caller: Submitter) -> dict[str, Any]:
    """Answer every request of `requests`, each `{custom_id, params}`, within a day."""
    asked = await read_object(request)
    shown = await run_in_threadpool(_create, door, caller, asked, own_address(request, door.settings.url))
    keeper: Keeper = request.app.state.batches
    keeper.ring()
    return shown


@router.get(_PATHS[0])
@router.get(_PATHS[1])
def list_batches(
    request: Request, door: Door, caller: Reader, after_id: Id = None, before_id: Id = None, limit: Limit = 20
) -> dict[str, Any]:
    """The newest first."""
    with door.read() as session:
        newer = before_id is not None
        found = rows.batches(
            session, Anthropic.name, caller.sees, after=before_id or after_id, limit=limit + 1, newer=newer
        )
        shown = [batch(session, row, own_address(request, door.settings.url)) for row in found[:limit]]
    if newer:
        shown.reverse()
    ends = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    return {"data": shown, "has_more": len(found) > limit, "first_id": ends[0], "last_id": ends[1]}


@router.get(_PATHS[0] + "/{batch_id}")
@router.get(_PATHS[1] + "/{batch_id}")
def show(batch_id: str, request: Request, door: Door, caller: Reader) -> dict[str, Any]:
    """How it stands."""
    with door.read() as session:
        row = rows.find(session, batch_id, Anthropic.name, caller.sees)
        return batch(session, row, own_address(request, door.settings.url))


@router.get(_PATHS[0] + "/{batch_id}/results", response_class=Response)
@router.get(_PATHS[1] + "/{batch_id}/results", response_class=Response)
def results(batch_id: str, request: Request, door: Door, caller: Reader) -> Response:
    """One line for each request, as JSONL. 409 while it is not over."""
    with door.read() as session:
        row = rows.find(session, batch_id, Anthropic.name, caller.sees)
        if row.finished_at is None:
            raise Conflict(f"Batch {batch_id} has no results yet", f"it is {row.state}", "wait until it has ended")
        if row.output_file is None:
            return Response(b"", media_type="application/x-jsonl")
        file = files.find(session, row.output_file)
    return send_file(request, door.store, file)


@router.post(_PATHS[0] + "/{batch_id}/cancel")
@router.post(_PATHS[1] + "/{batch_id}/cancel")
def cancel(batch_id: str, request: Request, door: Door, caller: Changer) -> dict[str, Any]:
    """End it; what is answered by then is in its results."""
    with door.write() as session:
        row = rows.cancel(session, batch_id, Anthropic.name, caller.sees)
        shown = batch(session, row, own_address(request, door.settings.url))
    keeper: Keeper = request.app.state.batches
    keeper.ring()
    return shown


@router.delete(_PATHS[0] + "/{batch_id}")
@router.delete(_PATHS[1] + "/{batch_id}")
def remove(batch_id: str, door: Door, caller: Changer) -> dict[str, Any]:
    """Forget it with its requests and results. 409 while it is not over."""
    # What it used is told by its results: it must be charged before they go.
    door.meter.write()
    gone = None
    while gone is None:
        with door.write() as session:
            gone = rows.remove(session, batch_id, Anthropic.name, caller.sees)
    for file_id in gone:
        door.store.remove(file_id)
    return {"id": batch_id, "type": "message_batch_deleted"}


def _create(door: FrontDoor, caller: Caller, asked: dict[str, Any], address: str) -> dict[str, Any]:
    """The requests are kept as a file, so that nothing depends on this process. Raises InvalidParameters."""
    wanted = need(asked, "requests", list, "it is what the batch asks")
    _check(wanted, door.settings.batch_limit)
    text = b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in wanted)
    stored = door.store.store(io.BytesIO(text), NO_LIMIT)
    try:
        with door.write() as session:
            files.add(
                session, stored, name="requests.jsonl", purpose="batch", content_type="application/jsonl",
                owner=caller.id,
            )  # fmt: skip
            row = rows.add(
                session, Anthropic.name, ENDPOINT, stored.id, owner=caller.id, window="24h", seconds=_DAY, details={}
            )
            row.total = len(wanted)
            return batch(session, row, address)
    except BaseException:
        door.store.remove(stored.id)
        raise


def _check(wanted: list[Any], most: int) -> None:
    """What Anthropic refuses at once. Raises InvalidParameters."""
    if len(wanted) > most:
        raise _wrong("requests", f"a batch may have {most:,}, and it has {len(wanted):,}", "make several batches")
    seen: dict[str, int] = {}
    for position, each in enumerate(wanted):
        place = f"requests.{position}"
        if not isinstance(each, dict) or not isinstance(each.get("params"), dict):
            raise _wrong(place, "it has no params", "give {custom_id, params}")
        custom_id = each.get("custom_id")
        if not isinstance(custom_id, str) or not _ID.fullmatch(custom_id):
            raise _wrong(f"{place}.custom_id", "results are told apart by it", "give 1 to 64 of A-Z, a-z, 0-9, _ and -")
        if (first := seen.setdefault(custom_id, position)) != position:
            raise _wrong(f"{place}.custom_id", f"requests.{first} has it, too", "give each one of its own")


def _wrong(place: str, why: str, fix: str) -> InvalidParameters:
    return InvalidParameters(f"{place} is wrong", why, fix, field=place)


def batch(session: Session, row: Batch, door: str) -> dict[str, Any]:
    """A batch as Anthropic's clients read it; `door` is the front door as they call it, for the address of results."""
    over = row.finished_at is not None
    counts = jobs.progress(session, row)
    succeeded, errored = counts["completed"], counts["failed"]
    cancelled, expired = (counts.get(why, 0) for why in (Unanswered.CANCELLED, Unanswered.EXPIRED))
    if over:
        errored = row.total - succeeded - cancelled - expired
    return {
        "id": row.id,
        "type": "message_batch",
        "processing_status": "ended" if over else "in_progress" if row.state in _LIVE else "canceling",
        "request_counts": {
            "processing": 0 if over else row.total - succeeded - errored,
            "succeeded": succeeded,
            "errored": errored,
            "canceled": cancelled,
            "expired": expired,
        },
        "created_at": _moment(row.created_at),
        "expires_at": _moment(row.expires_at),
        "ended_at": _moment(row.finished_at),
        "cancel_initiated_at": _moment(row.cancelling_at),
        "archived_at": None,
        "results_url": f"{door}{_PATHS[0]}/{row.id}/results" if over else None,
    }


def _moment(seconds: float | None) -> str | None:
    return rfc3339(seconds) if seconds is not None else None
