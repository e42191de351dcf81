"""The part of the worker protocol that is about models on disk, as `shared/store/wire.py` says it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.answers import as_json
from api.deps import Door, WorkerHost
from shared.jobs import work
from shared.protocol import Accepted
from shared.store import shelf, sources
from shared.store.wire import Entered, Found, Shelf, Sourced, Sources, Verified

router = APIRouter(prefix="/worker/v1/models", tags=["worker protocol"])


@router.get("/shelf", response_model=Shelf)
def own_models(door: Door, host: WorkerHost) -> Response:
    """What lies on the asking host."""
    with door.read() as session:
        answer = shelf.shelf(session, host)
    return as_json(answer)


@router.post("/sources", response_model=Sourced)
def who_has(said: Sources, door: Door, host: WorkerHost) -> Response:
    """Hosts that have the wanted files, with leave to fetch them."""
    with door.read() as session:
        answer = sources.sources(session, host, said)
    return as_json(answer)


@router.post("/found", response_model=Entered)
def found(said: Found, door: Door, host: WorkerHost) -> Response:
    """Models of other programs on the asking host."""
    with door.write(wake=True) as session:
        names = shelf.found(session, host, said)
    return as_json(Entered(names=names))


@router.post("/verified", response_model=Accepted)
def verified(said: Verified, door: Door, host: WorkerHost) -> Response:
    """What a running verification read."""
    with door.write() as session:
        work.check_running(session, said, said.worker, host)
        shelf.verified(session, host, said)
    return as_json(Accepted())
