"""What Ollama's clients change: `POST /api/copy`, `POST /api/create`, `DELETE /api/delete`.

A copy, and a model made `from` another one, is an alias here: it takes no room, and it stays when the first name goes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import delete, update
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.deps import Admin, Door, FrontDoor
from api.gateway import model_names
from api.gateway.ollama import blobs
from api.gateway.ollama.blobs import Placed
from api.gateway.ollama.creation import Creation, read, weights_of
from api.gateway.ollama.follow_up import FollowUps
from api.gateway.ollama.following import follow, told
from api.gateway.reading import need, read_object, want
from shared import aliases, catalog
from shared.errors import BadRequest
from shared.jobs import service
from shared.jobs.intake import Submission
from shared.store import leaving
from shared.tables import Alias, Host, Model

router = APIRouter(tags=["ollama"])


@router.post("/api/copy", response_class=Response)
async def copy(request: Request, door: Door, caller: Admin) -> Response:
    """Let a model have another name."""
    asked = await read_object(request)
    source = need(asked, "source", str, "it names the model")
    await run_in_threadpool(_copy, door, source, need(asked, "destination", str, "it is the new name"), {})
    return Response()


@router.post("/api/create", response_class=Response)
async def create(request: Request, door: Door, caller: Admin) -> Response:
    """Make a model of another one with defaults of its own, or of a GGUF file that was sent as a blob."""
    wanted = read(await read_object(request))
    if wanted.blob is None:
        await run_in_threadpool(_copy, door, wanted.source, wanted.name, wanted.defaults)
        return told("reading model metadata", "writing manifest", "success", streamed=wanted.streamed)
    job_id, blob_id, placed = await run_in_threadpool(_install, door, wanted, wanted.blob, caller.id)
    follow_ups: FollowUps = request.app.state.follow_ups
    done = follow_ups.add(job_id, partial(_settle, door, wanted, blob_id, placed))
    return await follow(request, door, job_id, streamed=wanted.streamed, done=done)


@router.delete("/api/delete", response_class=Response)
async def remove(request: Request, door: Door, caller: Admin) -> Response:
    """Forget a name; the model goes with its last one, and its files unless another program keeps them."""
    asked = await read_object(request)
    name = want(asked, "model", str) or need(asked, "name", str, "it names the model")
    await run_in_threadpool(_remove, door, name, caller.id)
    return Response()


def _copy(door: FrontDoor, source: str, name: str, defaults: dict[str, Any]) -> None:
    with door.write() as session:
        found = model_names.find(session, source, door.settings.default_model)
        both = {**found.defaults, **defaults}
        aliases.put(session, model_names.plain(name), found.model, host=found.host, defaults=both)


def _install(door: FrontDoor, wanted: Creation, digest: str, owner: str) -> tuple[str, str, Placed]:
    """The job that enters the file in the catalog, the blob it was, and what lies in its place now."""
    with door.read() as session:
        _check_here(session, door.settings.host_name)
        blob, placed = blobs.place(door, session, digest, wanted.weights)
    try:
        return _queue(door, wanted, placed, owner), blob.id, placed
    except BaseException:
        blobs.take_back(door, placed)
        raise


def _queue(door: FrontDoor, wanted: Creation, placed: Placed, owner: str) -> str:
    params = {"model": f"local:{placed.path}", "name": wanted.weights, "host": door.settings.host_name}
    with door.read() as session:
        # The path is ours, which a caller's own could only be with an admin's rights.
        prepared = service.prepare(session, [Submission("download", params)], owner, internal=True)
    with door.write(wake=True) as session:
        return service.queue(session, prepared)[0].id


def _check_here(session: Session, host: str) -> None:
    """What was sent lies on the front door's disk, where only an agent of the same machine finds it."""
    if session.get(Host, host) is None:
        raise BadRequest(
            "No model can be made of a file that was sent", f"it is kept here, on {host}, where no agent runs",
            "start one here: cidermill agent; or pull the file where it lies on a host: local:/PATH/FILE.gguf",
        )  # fmt: skip


def _settle(door: FrontDoor, wanted: Creation, blob_id: str, placed: Placed, succeeded: bool) -> None:
    if not succeeded:
        blobs.take_back(door, placed)
        return
    if wanted.defaults:
        _copy(door, wanted.weights, wanted.name, wanted.defaults)
    blobs.spend(door, blob_id, placed)


def _remove(door: FrontDoor, name: str, owner: str) -> None:
    plain = model_names.plain(name)
    with door.write(wake=True) as session:
        model = model_names.find(session, name).model
        if catalog.named(session, plain) is None and aliases.find(session, plain) is not None:
            aliases.remove(session, plain)
            if not _made_for(door, model, plain):
                return
        elif _goes_on(session, model):
            return
        _, discards = leaving.remove(session, model.name)
        service.queue(session, service.prepare(session, discards, owner, internal=True))
    if path := blobs.made_here(door.settings, model):
        blobs.forget(path)


def _made_for(door: FrontDoor, model: Model, name: str) -> bool:
    """Whether the model was made of a blob for nothing but this name."""
    return model.name == weights_of(name) and blobs.made_here(door.settings, model) is not None


def _goes_on(session: Session, model: Model) -> bool:
    """Whether the model has another name that means nothing but it: then that one is its own from now on."""
    for alias, _ in aliases.aliases(session, model.id):
        if alias.host is None and not alias.defaults:
            session.execute(delete(Alias).where(Alias.name == alias.name))
            session.execute(update(Model).where(Model.id == model.id).values(name=alias.name))
            return True
    return False
