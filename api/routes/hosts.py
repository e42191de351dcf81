"""Hosts: the machines of the fleet."""

from __future__ import annotations

from fastapi import APIRouter, status
from starlette.responses import Response

from api import views
from api.answers import as_json
from api.deps import Admin, Door, FrontDoor, Joiner, Reader
from api.schemas.base import Page
from api.schemas.hosts import HostDetail, HostMarksIn, HostOut, JoinIn, JoinOut, MaintenanceIn
from shared import host_marks, hosts
from shared.keys import Rank

router = APIRouter(prefix="/v1/hosts", tags=["hosts"])


@router.get("")
def list_hosts(door: Door, caller: Reader) -> Page[HostOut]:
    """All of them, by name."""
    with door.read() as session:
        return Page(data=views.host_list(session, hosts.hosts(session)))


@router.post("/join", status_code=status.HTTP_201_CREATED, response_model=JoinOut)
def join(body: JoinIn, door: Door, caller: Joiner) -> Response:
    """A token for a host, shown once; joining again ends the older token. A `worker` key joins its own hosts only."""
    key = caller.id if caller.rank == Rank.worker else ""
    with door.write() as session:
        token = hosts.join(session, body.name, dict(body.labels), key)
    door.auth.hosts.forget()
    return as_json(JoinOut(name=body.name, token=token), status.HTTP_201_CREATED)


@router.get("/{name}")
def show(name: str, door: Door, caller: Reader) -> HostDetail:
    """One host with the runs on it."""
    return _shown(door, name)


@router.patch("/{name}")
def mark(name: str, body: HostMarksIn, door: Door, caller: Admin) -> HostDetail:
    """Change its labels or its taints."""
    with door.write(wake=True) as session:
        host_marks.mark(session, name, body.labels, body.taints)
    return _shown(door, name)


@router.post("/{name}/maintenance")
def maintain(name: str, body: MaintenanceIn, door: Door, caller: Admin) -> HostDetail:
    """Drain it, with a reason that people and waiting jobs are told; `uncordon` ends it."""
    with door.write(wake=True) as session:
        hosts.hold_back(session, name, maintenance=body.reason)
    return _shown(door, name)


@router.post("/{name}/drain")
def drain(name: str, door: Door, caller: Admin) -> HostDetail:
    """No new work; what runs is finished, and idle runs are stopped."""
    return _hold_back(door, name, draining=True)


@router.post("/{name}/cordon")
def cordon(name: str, door: Door, caller: Admin) -> HostDetail:
    """No new work; everything else stays."""
    return _hold_back(door, name, cordoned=True)


@router.post("/{name}/uncordon")
@router.post("/{name}/undrain")
def uncordon(name: str, door: Door, caller: Admin) -> HostDetail:
    """Open it again."""
    return _hold_back(door, name)


def _hold_back(door: FrontDoor, name: str, *, draining: bool = False, cordoned: bool = False) -> HostDetail:
    with door.write(wake=True) as session:
        hosts.hold_back(session, name, draining=draining, cordoned=cordoned)
    return _shown(door, name)


def _shown(door: FrontDoor, name: str) -> HostDetail:
    with door.read() as session:
        return views.host_detail(session, hosts.find(session, name))
