"""OpenAI's batches: `/v1/batches`, over files of `/v1/files`.

Source: OpenAI's API reference, "Batch".
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api import expiry, shapes
from api.batches import jobs, rows
from api.batches.contract import BatchState
from api.batches.keeper import Keeper
from api.batches.openai import ENDPOINTS, OpenAi
from api.deps import After, Changer, Door, FrontDoor, Reader, Submitter
from api.gateway.pieces import Usage
from api.gateway.reading import need, read_object, want
from shared import files
from shared.errors import InvalidParameters
from shared.keys import Caller
from shared.moments import at, read_moment
from shared.nearest import did_you_mean
from shared.tables import Batch

router = APIRouter(prefix="/v1/batches", tags=["openai"])
shapes.register(shapes.OPENAI, "/v1/batches")

_LONGEST_WINDOW = 30 * 86400.0
_MOST_DETAILS = 16
Limit = Annotated[int, Query(ge=1, le=100, description="Batches of a page.")]


@router.post("")
async def create(request: Request, door: Door, caller: Submitter) -> dict[str, Any]:
    """Answer every line of a file; `completion_window` is a duration of up to 30 days, such as `24h` or `90s`.

    With `output_expires_after` the files of answers are gone that long after they were written.
    """
    asked = await read_object(request)
    shown = await run_in_threadpool(_create, door, caller, asked)
    keeper: Keeper = request.app.state.batches
    keeper.ring()
    return shown


@router.get("")
def list_batches(door: Door, caller: Reader, after: After = None, limit: Limit = 20) -> dict[str, Any]:
    """The newest first."""
    with door.read() as session:
        found = rows.batches(session, OpenAi.name, caller.sees, after=after, limit=limit + 1)
        shown = [batch(session, row) for row in found[:limit]]
    ends = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    return {
        "object": "list", "data": shown, "first_id": ends[0], "last_id": ends[1], "has_more": len(found) > limit,
    }  # fmt: skip


@router.get("/{batch_id}")
def show(batch_id: str, door: Door, caller: Reader) -> dict[str, Any]:
    """How it stands."""
    with door.read() as session:
        return batch(session, rows.find(session, batch_id, OpenAi.name, caller.sees))


@router.post("/{batch_id}/cancel")
def cancel(batch_id: str, request: Request, door: Door, caller: Changer) -> dict[str, Any]:
    """End it; what is answered by then is in its output file."""
    with door.write() as session:
        shown = batch(session, rows.cancel(session, batch_id, OpenAi.name, caller.sees))
    keeper: Keeper = request.app.state.batches
    keeper.ring()
    return shown


def _create(door: FrontDoor, caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    endpoint = need(asked, "endpoint", str, "it says what the lines ask for")
    if endpoint not in ENDPOINTS:
        raise InvalidParameters(
            "endpoint is wrong", did_you_mean(endpoint, list(ENDPOINTS)), f"give one of {', '.join(ENDPOINTS)}",
            field="endpoint",
        )  # fmt: skip
    file_id = need(asked, "input_file_id", str, "it is the file of requests; upload it with POST /v1/files")
    window = want(asked, "completion_window", str) or "24h"
    kept = expiry.seconds_of(asked.get("output_expires_after"), "output_expires_after")
    with door.write() as session:
        files.find(session, file_id, caller.sees)
        row = rows.add(
            session, OpenAi.name, endpoint, file_id, owner=caller.id, window=window, seconds=_seconds(window),
            details=_details(asked), output_seconds=kept,
        )  # fmt: skip
        return batch(session, row)


def _seconds(window: str) -> float:
    """Raises InvalidParameters."""
    try:
        seconds = at(read_moment(window), 0.0) or 0.0
    except (ValueError, OverflowError):
        seconds = 0.0
    if len(window) > 16 or not 0.0 < seconds <= _LONGEST_WINDOW:
        raise InvalidParameters(
            "completion_window is wrong", f"{window[:40]!r} is no time of up to 30 days", "give a duration, as 24h",
            field="completion_window",
        )  # fmt: skip
    return seconds


def _details(asked: dict[str, Any]) -> dict[str, Any]:
    """Raises InvalidParameters."""
    given = want(asked, "metadata", dict) or {}
    plain = all(len(name) <= 64 and isinstance(text, str) and len(text) <= 512 for name, text in given.items())
    if plain and len(given) <= _MOST_DETAILS:
        return given
    why = f"it has up to {_MOST_DETAILS} names of up to 64 letters, each with a text of up to 512"
    raise InvalidParameters("metadata is wrong", why, "give fewer and shorter texts", field="metadata")


def batch(session: Session, row: Batch) -> dict[str, Any]:
    """A batch as OpenAI's clients read it; our own field `job_ids` names the jobs that answer it."""
    counts = jobs.progress(session, row)
    ended = {f"{row.state}_at": _moment(row.finished_at)}
    return {
        "id": row.id,
        "object": "batch",
        "endpoint": row.endpoint,
        "errors": {"object": "list", "data": row.errors} if row.errors else None,
        "input_file_id": row.input_file,
        "completion_window": row.completion_window,
        "status": row.state,
        "output_file_id": row.output_file,
        "error_file_id": row.error_file,
        "created_at": int(row.created_at),
        "in_progress_at": _moment(row.in_progress_at),
        "expires_at": int(row.expires_at),
        "finalizing_at": _moment(row.finalizing_at),
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": _moment(row.cancelling_at),
        "cancelled_at": None,
        **(ended if row.finished_at is not None else {}),
        "request_counts": {
            "total": row.total,
            "completed": counts["completed"],
            "failed": row.total - counts["completed"] if row.state in _OVER else counts["failed"],
        },
        "model": _model(row),
        "usage": _usage(row),
        "metadata": row.details or None,
        "job_ids": [part.job for part in rows.parts_of(row)],
    }


def _model(row: Batch) -> str | None:
    """The model that all lines ask, as they call it; of several none."""
    models = {part.model for part in rows.parts_of(row)}
    return models.pop() if len(models) == 1 else None


def _usage(row: Batch) -> dict[str, Any] | None:
    if row.usage is None:
        return None
    used = Usage(**row.usage)
    return {
        "input_tokens": used.prompt,
        "input_tokens_details": {"cached_tokens": used.cached},
        "output_tokens": used.completion,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.prompt + used.completion,
    }


#: Whatever was not answered by then counts as failed.
_OVER = (BatchState.COMPLETED, BatchState.FAILED, BatchState.EXPIRED, BatchState.CANCELLED)


def _moment(seconds: float | None) -> int | None:
    return int(seconds) if seconds is not None else None
