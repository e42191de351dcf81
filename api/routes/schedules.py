"""Schedules: jobs that are submitted again and again."""

from __future__ import annotations

from fastapi import APIRouter, status
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.answers import as_json
from api.deps import Changer, Door, FrontDoor, Reader
from api.privacy import schedule_out
from api.schemas.base import DeletedOut, Page
from api.schemas.jobs import JobOut
from api.schemas.queues import ScheduleIn, ScheduleOut
from shared import keys, schedules
from shared.grants import check_owner
from shared.identifiers import new_id
from shared.jobs import queries, service
from shared.keys import Caller
from shared.schedules import Wish
from shared.tables import Schedule

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])


@router.get("")
def list_schedules(door: Door, caller: Reader) -> Page[ScheduleOut]:
    """All of them, by name."""
    with door.read() as session:
        return Page(data=[schedule_out(caller, row) for row in schedules.schedules(session)])


@router.post("", status_code=status.HTTP_201_CREATED, response_model=ScheduleOut)
def add(body: ScheduleIn, door: Door, caller: Changer) -> Response:
    """Keep a schedule; its job is checked now, as if it were submitted."""
    job = body.job.model_dump(mode="json", exclude_unset=True)
    with door.read() as session:
        service.prepare(session, [schedules.read_job(job)], caller.id)
    wish = Wish(body.name, body.cron, job, body.timezone, body.paused)
    with door.write() as session:
        shown = ScheduleOut.model_validate(schedules.add(session, wish, caller.id))
    return as_json(shown, status.HTTP_201_CREATED, Location=f"/v1/schedules/{shown.id}")


@router.get("/{name}")
def show(name: str, door: Door, caller: Reader) -> ScheduleOut:
    """One schedule, by name or id."""
    with door.read() as session:
        return schedule_out(caller, schedules.find(session, name))


@router.delete("/{name}")
def remove(name: str, door: Door, caller: Changer) -> DeletedOut:
    """Forget it; jobs that it has submitted go on."""
    with door.write() as session:
        _own(session, name, caller)
        return DeletedOut(id=schedules.remove(session, name), object="schedule", deleted=True)


@router.post("/{name}/pause")
def pause(name: str, door: Door, caller: Changer) -> ScheduleOut:
    """Submit nothing until it is resumed."""
    with door.write() as session:
        _own(session, name, caller)
        schedules.pause(session, name)
    return _shown(door, name)


@router.post("/{name}/resume")
def resume(name: str, door: Door, caller: Changer) -> ScheduleOut:
    """Go on with the next time from now."""
    with door.write() as session:
        _own(session, name, caller)
        schedules.resume(session, name)
    return _shown(door, name)


@router.post("/{name}/run", status_code=status.HTTP_201_CREATED)
def run(name: str, door: Door, caller: Changer) -> JobOut:
    """Submit its job now, out of turn; it counts for the key that made the schedule."""
    with door.read() as session:
        row = _own(session, name, caller)
        wanted = schedules.submission(row, new_id("turn"))
        prepared = service.prepare(session, [wanted], row.owner)
        owner = keys.holder(session, row.owner)
    with door.write(wake=True) as session:
        submitted = service.queue(session, prepared)[0]
        door.meter.desk.admit_jobs(session, owner, wanted.requests)
        schedules.note_run(session, row, submitted.id)
        return JobOut.model_validate(queries.find(session, submitted.id))


def _own(session: Session, name: str, caller: Caller) -> Schedule:
    """Everybody may look at schedules; only who made one, or an admin, changes it. Raises NotFound, Forbidden."""
    row = schedules.find(session, name)
    check_owner(caller, row.owner, "schedule")
    return row


def _shown(door: FrontDoor, name: str) -> ScheduleOut:
    with door.read() as session:
        return ScheduleOut.model_validate(schedules.find(session, name))
