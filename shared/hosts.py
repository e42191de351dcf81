"""Hosts: how they join, register, report and are held back."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from shared import events
from shared.db import clock_time, now
from shared.download_share import download_share
from shared.errors import Forbidden, NotFound, StaleTransition
from shared.events import NewEvent
from shared.host_address import Origin
from shared.jobs import state as jobs
from shared.nearest import did_you_mean, nearest
from shared.protocol import (
    AttemptRef,
    Register,
    RunHint,
    RunRef,
    Sync,
    Synced,
    Telemetry,
    WorkerStatus,
)
from shared.runs import quarantine
from shared.runs import state as runs
from shared.runs.service import ATTENTIVE
from shared.settings import Settings
from shared.tables import Host, HostRuntime, Run, is_live_run
from shared.token_digest import digest
from shared.upsert import insert_for
from shared.vocabulary import Guard, RunState

_TOKEN = "ch"  # noqa: S105
_LOG_LINE = 4096


# --- people ------------------------------------------------------------------------------------


def join(session: Session, name: str, labels: dict[str, str], key: str = "") -> str:
    """A token for a host, new or known; an older token of the same host ends here. Shown once, kept as a hash.

    With `key`, the id of a key that may only let hosts join, no host of anybody else's. Raises Forbidden.
    """
    token = f"{_TOKEN}_{secrets.token_urlsafe(32)}"
    if not _is_new(session, name, token, labels, key):
        _join_again(session.get_one(Host, name, with_for_update=True), token, labels, key)
    session.flush()
    events.record(session, [_event("host.joined", name)])
    return token


def _is_new(session: Session, name: str, token: str, labels: dict[str, str], key: str) -> bool:
    """Whether nobody had let it join before, and now somebody has."""
    fresh = {"name": name, "token_digest": digest(token), "labels": labels, "joined_by": key}
    added = insert_for(session, Host).values(**fresh, created_at=clock_time(session))
    once = added.on_conflict_do_nothing(index_elements=[Host.name]).returning(Host.name)
    return session.scalar(once) is not None


def _join_again(row: Host, token: str, labels: dict[str, str], key: str) -> None:
    if key and row.joined_by != key:
        raise Forbidden(
            f"The host {row.name!r} is not this key's",
            "another key or an admin let it join, and joining again would end its token",
            "choose another name for this host, or let an admin do it: cidermill hosts join " + row.name,
        )
    row.token_digest = digest(token)
    row.labels = labels or row.labels


def find(session: Session, name: str) -> Host:
    """Raises NotFound with the nearest names."""
    row = session.get(Host, name)
    if row is None:
        names = session.scalars(select(Host.name)).all()
        raise NotFound(
            f"There is no host {name!r}",
            did_you_mean(name, names),
            "see `cidermill hosts ls`, or let it join: cidermill hosts join " + name,
            nearest=nearest(name, names),
        )
    return row


def hosts(session: Session) -> list[Host]:
    """All of them, by name."""
    return list(session.scalars(select(Host).order_by(Host.name)))


def hold_back(
    session: Session, name: str, *, draining: bool = False, cordoned: bool = False, maintenance: str | None = None
) -> None:
    """Draining: no new work, and idle runs stop. Cordoned: no new work. None of them: open. Raises NotFound.

    Maintenance is a drain with a reason.
    """
    row = find(session, name)
    row.draining, row.cordoned, row.maintenance = draining, cordoned, maintenance
    session.flush()
    words = {"maintenance": maintenance is not None, "draining": draining, "cordoned": cordoned, "open": True}
    word = next(word for word, true in words.items() if true)
    events.record(session, [_event(f"host.{word}", name, **({"reason": maintenance} if maintenance else {}))])


def runtimes(session: Session) -> dict[str, list[HostRuntime]]:
    """What each host advertised, by host."""
    found: dict[str, list[HostRuntime]] = {}
    for row in session.scalars(select(HostRuntime).order_by(HostRuntime.host, HostRuntime.name)):
        found.setdefault(row.host, []).append(row)
    return found


def memory_held(session: Session) -> dict[str, int]:
    """Bytes that runs hold, by host."""
    holding = (Run.host.in_(select(Host.name)), Run.memory_held > 0)
    rows = session.execute(select(Run.host, func.sum(Run.memory_held)).where(*holding).group_by(Run.host))
    return {host: int(total) for host, total in rows if host is not None}


# --- the agent ---------------------------------------------------------------------------------


def authenticate(session: Session, token: str) -> str | None:
    """The host that owns this token; `None` when nobody does. Looked up by digest, so nothing leaks by timing."""
    return session.scalar(select(Host.name).where(Host.token_digest == digest(token)))


def register(session: Session, name: str, said: Register, settings: Settings, origin: Origin) -> None:
    """A host says what it is. With a new agent or a new boot, all that the old one's workers did is lost.

    Raises Forbidden when it says that it is reached where it is not.
    """
    if name == settings.host_name and not origin.here:
        raise Forbidden(
            f"The host {name} is not on this machine",
            "the front door's own machine has that name, and its runs are asked without an agent",
            "give the host another name, or the front door: CIDERMILL_HOST_NAME",
        )
    peer_url, engine_url = origin.confirmed(said.peer_url), origin.confirmed(said.engine_url)
    host = session.get_one(Host, name, with_for_update=True)
    if said.unclean_end is not None and host.boot_id not in (None, said.boot_id):
        quarantine.after_panic(session, name, said.unclean_end)
    if (host.agent, host.boot_id) != (said.agent, said.boot_id):
        gone = jobs.workers_of(session, name)
        jobs.lose(session, name, gone, settings.max_crashes, "its host started anew")
    runs.only_alive(session, name, said.live_runs)
    moment = clock_time(session)
    host.agent, host.boot_id = said.agent, said.boot_id
    host.version, host.platform = said.version, said.platform
    host.memory_total, host.disk_free = said.memory_total, said.disk_free
    host.budget, host.guard = _budget(session, host, said.budget), Guard.OPEN
    host.capacity = said.capacity or said.budget
    host.labels = {**host.labels, **said.labels}
    host.peer_url, host.engine_url = peer_url, engine_url
    host.registered_at, host.seen_until = moment, moment + settings.lease_seconds
    session.flush()
    _replace_runtimes(session, name, said)
    events.record(session, [_event("host.registered", name, version=said.version)])


def _replace_runtimes(session: Session, name: str, said: Register) -> None:
    session.execute(delete(HostRuntime).where(HostRuntime.host == name))
    for info in said.runtimes:
        session.add(HostRuntime(host=name, name=info.name, info=info.model_dump(mode="json"), alive=True))
    session.flush()


def sync(session: Session, name: str, said: Sync, settings: Settings) -> Synced:
    """What lives on a host; what of it is still wanted. Raises StaleTransition when another agent speaks for it."""
    host = session.get_one(Host, name, with_for_update=True)
    if host.agent != said.agent:
        raise StaleTransition(
            f"Another agent speaks for {name}" if host.agent else f"Host {name} has not registered",
            "it registered later" if host.agent else "an agent registers before it reports",
            "stop this one, or register again",
        )
    _note(session, host, said, settings.lease_seconds)
    if said.dead_workers:
        jobs.lose(session, name, said.dead_workers, settings.max_crashes, "its worker ended")
    runs.confirm_dead(session, name, said.dead_runs)
    kept = jobs.keep_alive(session, name, said.attempts, settings.lease_seconds)
    kept_runs = runs.keep_alive(session, name, said.runs, settings.lease_seconds)
    unwanted = [ref for ref in _run_refs(said) if ref not in kept_runs]
    if unwanted:
        # It was judged while these still counted.
        runs.judge_anew(session, name)
    _keep_logs(session, name, said)
    return Synced(
        kept=list(kept),
        kept_runs=[ref for ref in _run_refs(said) if ref in kept_runs],
        cancel=[ref for ref, cancelled in kept.items() if cancelled],
        preempt=jobs.preempting(session, name),
        drop=[ref for ref in _refs(said) if ref not in kept],
        drop_runs=list(dict.fromkeys(unwanted + runs.lingering(session, name))),
        wishes=wishes(session, name),
        lease_seconds=settings.lease_seconds,
        draining=host.draining or host.maintenance is not None,
        attended=_attended(session, name),
        download_rate=download_share(session, name, settings.fleet_download_rate),
    )


def _note(session: Session, host: Host, said: Sync, lease: float) -> None:
    """What the host measures, that it lives, and which of its workers do."""
    told: dict[str, Any] = {
        "budget": _budget(session, host, said.budget),
        "capacity": said.capacity or said.budget,
        "guard": said.guard,
        "seen_until": now(session) + lease,
    }
    if said.telemetry != Telemetry():
        told["telemetry"] = said.telemetry.model_dump(exclude_defaults=True)
        told["ceiling"], told["memory_used"] = said.telemetry.ceiling, said.telemetry.runs_memory
    if said.telemetry.disk_free is not None:
        told["disk_free"] = said.telemetry.disk_free
    session.execute(
        update(Host).where(Host.name == host.name).values(told), execution_options={"synchronize_session": False}
    )
    if said.guard != host.guard:
        facts = said.telemetry.model_dump(include={"ceiling", "runs_memory", "guard_reason"})
        events.record(session, [_event("host.guarded", host.name, guard=said.guard, before=host.guard, **facts)])
    if said.workers:
        _note_workers(session, host.name, said.workers)


def _budget(session: Session, host: Host, measured: int) -> int:
    """The measured budget, but never less than runs hold: a ceiling that sinks ends no run, it only admits none.

    What was admitted within the budget of its time stays within the budget (I6); the guard watches what is really used.
    """
    if measured >= host.budget:
        return measured
    held = select(func.coalesce(func.sum(Run.memory_held), 0)).where(Run.host == host.name, Run.memory_held > 0)
    return max(measured, int(session.scalar(held) or 0))


def _note_workers(session: Session, name: str, workers: Iterable[WorkerStatus]) -> None:
    rows = {row.name: row for row in session.scalars(select(HostRuntime).where(HostRuntime.host == name))}
    for status in workers:
        row = rows.get(status.runtime)
        if row is not None:
            row.worker, row.alive = status.worker, status.alive
    session.flush()


def wishes(session: Session, name: str) -> list[RunHint]:
    """Runs of this host that a worker should look at because their message was due or had to be sent again."""
    rows = session.scalars(
        select(Run).where(
            is_live_run,
            Run.host == name,
            Run.state.in_([RunState.PENDING, RunState.STOPPING]),
            (Run.publish_at <= now(session)) | (Run.published > 1),
        )
    )
    return [RunHint(run_id=r.id, generation=r.generation, runtime=r.runtime or "") for r in rows]


def _attended(session: Session, name: str) -> dict[str, int]:
    lately = (Run.attended > 0, Run.last_used_at > now(session) - ATTENTIVE)
    rows = session.execute(select(Run.id, Run.attended).where(is_live_run, Run.host == name, *lately))
    return {run_id: slots for run_id, slots in rows}  # noqa: C416


def _keep_logs(session: Session, name: str, said: Sync) -> None:
    """Log lines of this host's runs become events, one for each run."""
    lines: dict[str, list[str]] = {}
    for line in said.logs:
        lines.setdefault(line.run_id, []).append(line.text[:_LOG_LINE])
    if not lines:
        return
    ours = session.scalars(select(Run.id).where(Run.id.in_(lines), Run.host == name))
    told: list[NewEvent] = [
        {"type": "run.log", "run_id": run_id, "host": name, "data": {"lines": lines[run_id]}} for run_id in ours
    ]
    events.record(session, told)


def _refs(said: Sync) -> list[AttemptRef]:
    return [AttemptRef(job_id=a.job_id, attempt=a.attempt) for a in said.attempts]


def _run_refs(said: Sync) -> list[RunRef]:
    return [RunRef(run_id=r.run_id, generation=r.generation) for r in said.runs]


def _event(type_: str, host: str, **data: Any) -> NewEvent:
    return {"type": type_, "host": host, "data": data}
