"""The outlook of a model on every host of the fleet, read from the rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from shared.db import now
from shared.fit import loads
from shared.runs.learning import read_peaks
from shared.runs.quarantine import read_barred
from shared.runtimes import InstalledModel, RunSpec, RuntimeInfo
from shared.store.disk_room import DiskRoom
from shared.store.disks import Wanted, disk_rooms
from shared.store.outlook import Fits, IdleRun, Outlook, Room, outlook
from shared.tables import Attempt, Host, HostRuntime, Install, Run, is_live_attempt
from shared.vocabulary import Capability, Guard, RunState


def outlooks(session: Session, model: InstalledModel, spec: RunSpec, wanted: Wanted) -> list[Outlook]:
    """For each living host and runtime that loads the model, the most hopeful first; none when nobody can load it.

    `wanted` is what would come to the disk of a host that lacks it.
    """
    capability = model.capabilities[0] if model.capabilities else Capability.GENERATE
    learned = read_peaks(session.connection(), [model.id]).get(model.id, ()) if model.id else ()
    barred = read_barred(session.connection(), [model.id]).get(model.id, {}) if model.id else {}
    rows = session.execute(
        select(Host, HostRuntime.info)
        .join(HostRuntime, HostRuntime.host == Host.name)
        .where(Host.seen_until > now(session))
    )
    offers = [(host, RuntimeInfo.model_validate(info)) for host, info in rows]
    able = [(host, runtime) for host, runtime in offers if loads(runtime, model, capability)]
    held, disks = _held(session), disk_rooms(session, wanted, (host for host, _ in able), _there(session, model))
    found = [
        outlook(
            model,
            runtime,
            spec,
            _room(host, held.get(host.name, ()), barred.get(host.name), disks[host.name]),
            learned,
        )
        for host, runtime in able
    ]
    order = list(Fits)
    return sorted(found, key=lambda one: (order.index(one.fits), -one.room.free, one.host, one.runtime))


def _there(session: Session, model: InstalledModel) -> set[str]:
    return set(session.scalars(select(Install.host).where(Install.model_id == model.id))) if model.id else set()


def _room(host: Host, runs: Sequence[tuple[Run, bool]], barred: str | None, disk: DiskRoom) -> Room:
    idle = sorted((run.last_used_at or run.created_at, run.id, run) for run, may_go in runs if may_go)
    return Room(
        host=host.name,
        budget=host.budget,
        capacity=max(host.capacity, host.budget),
        held=sum(run.memory_held for run, _ in runs),
        idle=tuple(IdleRun(run.id, run.model, run.memory_held, moment) for moment, _, run in idle),
        closed=_closed(host) or (f"the model is barred from it: {barred}" if barred is not None else None),
        disk=disk,
    )


def _closed(host: Host) -> str | None:
    if host.maintenance is not None:
        return f"it is under maintenance: {host.maintenance}"
    if host.draining or host.cordoned:
        return "it is draining" if host.draining else "it is cordoned"
    return None if host.guard == Guard.OPEN else "its memory guard lets nothing in"


def _held(session: Session) -> dict[str, list[tuple[Run, bool]]]:
    """Runs that hold memory, by host, and whether each may be ended to make room."""
    busy = exists().where(Attempt.run_id == Run.id, is_live_attempt)
    found: dict[str, list[tuple[Run, bool]]] = {}
    for run, at_work in session.execute(select(Run, busy).where(Run.memory_held > 0, Run.host.is_not(None))):
        may_go = run.state == RunState.READY and not (run.pinned or at_work or run.owner_job)
        found.setdefault(run.host or "", []).append((run, may_go))
    return found
