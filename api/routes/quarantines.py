"""Quarantines: models that a host does not load, because they brought it or themselves down there."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import Admin, Door, Reader
from api.schemas.base import DeletedOut, Page
from api.schemas.hosts import QuarantineOut
from shared import catalog, hosts
from shared.runs import quarantine

router = APIRouter(prefix="/v1/quarantines", tags=["hosts"])


@router.get("")
def list_quarantines(door: Door, caller: Reader) -> Page[QuarantineOut]:
    """All of them, the newest first."""
    with door.read() as session:
        return Page(data=[QuarantineOut.model_validate(barred) for barred in quarantine.quarantines(session)])


@router.delete("/{model:path}/{host}")
def lift(model: str, host: str, door: Door, caller: Admin) -> DeletedOut:
    """Let the host load the model again. 404 when it is not barred there."""
    with door.write(wake=True) as session:
        found = catalog.find(session, model)
        quarantine.lift(session, found, hosts.find(session, host).name)
        return DeletedOut(id=f"{found.name}/{host}", object="quarantine")
