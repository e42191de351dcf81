"""Files: audio, batches and results, too big for a job's row. A key sees its own, an admin's all."""

from __future__ import annotations

from typing import Annotated, BinaryIO, Literal

from fastapi import APIRouter, Form, Query, Request, UploadFile
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api import shapes, views
from api.answers import page
from api.batches import rows
from api.deps import After, Changer, Door, FrontDoor, Reader, Submitter
from api.downloads import send_file
from api.expiry import Expiry
from api.schemas.base import DeletedOut, Page
from api.schemas.files import FileOut
from shared import files
from shared.files import Sink

router = APIRouter(prefix="/v1/files", tags=["files"])
# OpenAI's clients know no 422.
shapes.register(shapes.Shape(shapes.own, shapes.bad_request), "/v1/files")

#: OpenAI's clients may ask for that many at once.
Limit = Annotated[int, Query(ge=1, le=10_000, description="Rows of a page.")]
Purpose = Annotated[str, Form(max_length=32, pattern=r"^[a-z][a-z_-]*$", description="What it is for; any word.")]


@router.post("")
async def upload(
    file: UploadFile, door: Door, caller: Submitter, keep: Expiry, purpose: Purpose = "user_data"
) -> FileOut:
    """Store a file, sent as a multipart form; its SHA-256 comes back with its id.

    With `expires_after` it is gone that long after it was stored, but not before the work that reads it then is over.
    """
    sink = await run_in_threadpool(door.store.sink, door.settings.upload_limit)
    try:
        # One after the other, so that others have the thread in between.
        while await run_in_threadpool(_copy, file.file, sink):
            pass
    except BaseException:
        sink.discard()
        raise
    return await run_in_threadpool(_keep, door, sink, file, purpose, caller.id, keep)


def _copy(source: BinaryIO, sink: Sink) -> bool:
    """A piece; whether there was any."""
    piece = source.read(files.CHUNK)
    sink.write(piece)
    return bool(piece)


def _keep(door: FrontDoor, sink: Sink, file: UploadFile, purpose: str, owner: str, keep: float | None) -> FileOut:
    stored = sink.keep()
    try:
        with door.write() as session:
            row = files.add(
                session,
                stored,
                name=file.filename or "file",
                purpose=purpose,
                content_type=file.content_type or "application/octet-stream",
                owner=owner,
                keep=keep,
            )
            return views.file_out(row)
    except BaseException:
        door.store.remove(stored.id)
        raise


@router.get("")
def list_files(
    door: Door,
    caller: Reader,
    purpose: str | None = None,
    job: Annotated[str | None, Query(description="Made by this job.")] = None,
    after: After = None,
    limit: Limit = 50,
    order: Annotated[Literal["asc", "desc"], Query(description="By age.")] = "desc",
) -> Page[FileOut]:
    """The newest first, unless the order is `asc`."""
    with door.read() as session:
        found = files.files(
            session, after=after, limit=limit + 1, purpose=purpose, job_id=job, owner=caller.sees,
            oldest_first=order == "asc",
        )  # fmt: skip
    return page([views.file_out(row) for row in found], limit)


@router.get("/{file_id}")
def show(file_id: str, door: Door, caller: Reader) -> FileOut:
    """What is known of a file."""
    with door.read() as session:
        return views.file_out(files.find(session, file_id, caller.sees))


@router.head("/{file_id}/content", include_in_schema=False)
@router.get("/{file_id}/content", response_class=Response)
def content(file_id: str, request: Request, door: Door, caller: Reader) -> Response:
    """Its bytes; `Range`, `If-Range` and `If-None-Match` are understood."""
    with door.read() as session:
        row = files.find(session, file_id, caller.sees)
    return send_file(request, door.store, row)


@router.delete("/{file_id}")
def remove(file_id: str, door: Door, caller: Changer) -> DeletedOut:
    """Delete a file. 409 while a batch depends on it."""
    with door.write() as session:
        # First, so that to other keys the file is not there, whatever depends on it.
        files.remove(session, file_id, caller.sees)
        rows.check_unneeded(session, file_id)
    door.store.remove(file_id)
    return DeletedOut(id=file_id, object="file")
