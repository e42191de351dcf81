"""Parts of the queue: shares, limits, pauses."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import Admin, Door, FrontDoor, Reader
from api.schemas.base import Page
from api.schemas.queues import QueueIn, QueueOut
from shared import queues

router = APIRouter(prefix="/v1/queues", tags=["queues"])


@router.get("")
def list_queues(door: Door, caller: Reader) -> Page[QueueOut]:
    """Every part that has jobs, or that somebody has set something for, by name."""
    with door.read() as session:
        return Page(data=[QueueOut.model_validate(part) for part in queues.listed(session)])


# A label may hold a slash, so the routes with a verb come first.
@router.post("/{name:path}/pause")
def pause(name: str, door: Door, caller: Admin) -> QueueOut:
    """No job of it begins any more; what runs is finished."""
    with door.write() as session:
        queues.pause(session, name)
    return _shown(door, name)


@router.post("/{name:path}/resume")
def resume(name: str, door: Door, caller: Admin) -> QueueOut:
    """Its jobs begin again."""
    with door.write(wake=True) as session:
        queues.resume(session, name)
    return _shown(door, name)


@router.get("/{name:path}")
def show(name: str, door: Door, caller: Reader) -> QueueOut:
    """One part."""
    return _shown(door, name)


@router.put("/{name:path}")
def put(name: str, body: QueueIn, door: Door, caller: Admin) -> QueueOut:
    """Change its weight or its limit. Jobs submitted from then on may take turns by it, if it is a label."""
    with door.write(wake=True) as session:
        queues.put(session, name, body.model_dump(exclude_unset=True))
    return _shown(door, name)


def _shown(door: FrontDoor, name: str) -> QueueOut:
    with door.read() as session:
        return QueueOut.model_validate(queues.find(session, name))
