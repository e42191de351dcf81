"""Files that Ollama's clients send before `POST /api/create`: `HEAD` and `POST /api/blobs/sha256:…`."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.deps import Door, FrontDoor, Reader, Submitter
from api.gateway.ollama import blobs
from shared import files
from shared.errors import BadRequest, InvalidParameters, NotFound
from shared.files import Sink, Stored

router = APIRouter(tags=["ollama"])

_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")


@router.head("/api/blobs/{digest}", include_in_schema=False)
def there(digest: str, door: Door, caller: Reader) -> Response:
    """200 when the bytes are here."""
    with door.read() as session:
        if blobs.find(session, _checked(digest)) is None:
            raise NotFound(f"There is no blob {digest}", "it was not sent, or a model was made of it", "send it")
    return Response()


@router.post("/api/blobs/{digest}", status_code=201, response_class=Response)
async def send(digest: str, request: Request, door: Door, caller: Submitter) -> Response:
    """Store bytes under their checksum, which is checked; they are for `POST /api/create`."""
    wanted = _checked(digest)
    sink = await run_in_threadpool(door.store.sink, door.settings.upload_limit)
    try:
        async for piece in request.stream():
            await run_in_threadpool(sink.write, piece)
        await run_in_threadpool(_keep, door, sink, wanted, caller.id)
    except ClientDisconnect:
        sink.discard()
        return Response(status_code=499)
    except BaseException:
        sink.discard()
        raise
    return Response(status_code=201)


def _keep(door: FrontDoor, sink: Sink, wanted: str, owner: str) -> None:
    stored = sink.keep()
    added = False
    try:
        if stored.sha256 != wanted:
            why = f"its sha256 is {stored.sha256}"
            raise BadRequest("The blob is damaged", why, "send it again, or under that digest")
        added = _add(door, stored, owner)
    finally:
        if not added:
            door.store.remove(stored.id)


def _add(door: FrontDoor, stored: Stored, owner: str) -> bool:
    """Whether it was not here already."""
    with door.write() as session:
        if blobs.find(session, stored.sha256) is not None:
            return False
        name = f"{stored.sha256}.blob"
        files.add(
            session, stored, name=name, purpose=blobs.PURPOSE, content_type="application/octet-stream", owner=owner
        )
        return True


def _checked(digest: str) -> str:
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise InvalidParameters(f"{digest!r} is no digest", "blobs are named by checksum", "give sha256: and 64 digits")
    return match[1]
