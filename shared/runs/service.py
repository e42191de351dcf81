"""Asking for runs: by people, by the gateway, by a job that measures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shared import catalog
from shared.db import now
from shared.fit import Fleet, check_capability
from shared.identifiers import new_id
from shared.jobs import work
from shared.protocol import Acquire, Acquired, Release
from shared.runs import state
from shared.runtimes import Endpoint, RunSpec
from shared.tables import Job, Run, is_live_run
from shared.vocabulary import Capability, Priority, RunState

#: Seconds that a run in use by the gateway is promised to it, and after which that is renewed.
HOLD = 4.0
RENEW = 1.0
#: Seconds after its last use for which slots of a run stay free for people: one that died does not say that they left.
ATTENTIVE = 30.0


@dataclass(frozen=True)
class RunWish:
    """A run that somebody wants; without runtime or host the scheduler chooses."""

    model: str
    capability: Capability | None = None
    runtime: str | None = None
    host: str | None = None
    priority: Priority = Priority.HIGH
    spec: RunSpec = field(default_factory=RunSpec)
    owner_job: str | None = None
    owner_request: str | None = None


def start(session: Session, wish: RunWish) -> str:
    """Ask for a run and return its id. Raises NotFound, InvalidParameters, CannotFit."""
    row = catalog.find(session, wish.model)
    model = catalog.installed(row, None)
    capability = wish.capability or (model.capabilities[0] if model.capabilities else Capability.GENERATE)
    if capability == Capability.VISION:
        check_capability(model, capability)
        capability = Capability.GENERATE
    fleet = Fleet(session)
    fleet.check_named(wish.host, wish.runtime)
    fleet.check_run(model, capability, wish.spec, wish.runtime, wish.host)
    run_id = new_id("run")
    state.create(
        session,
        [
            {
                "id": run_id,
                "model_id": model.id,
                "model": model.name,
                "capability": capability,
                "spec": wish.spec.model_dump(mode="json", exclude_unset=True),
                "wanted_runtime": wish.runtime,
                "wanted_host": wish.host,
                "priority": wish.priority,
                "owner_job": wish.owner_job,
                "owner_request": wish.owner_request,
                "pinned": wish.spec.pinned,
                "keep_alive": wish.spec.keep_alive,
            }
        ],
    )
    return run_id


def acquire(session: Session, host: str, ask: Acquire) -> Acquired:
    """A run of its own for a job that runs on this host; the same `request` is always the same run.

    Raises StaleTransition when the attempt is no longer this worker's, and whatever `start` raises.
    """
    work.check_running(session, ask, ask.worker, host)
    job = session.get_one(Job, ask.job_id)
    run = session.scalar(select(Run).where(Run.owner_job == ask.job_id, Run.owner_request == ask.request))
    if run is None:
        wish = RunWish(
            model=ask.model, capability=Capability(job.capability), runtime=ask.runtime, host=host,
            priority=job.priority, spec=ask.spec, owner_job=ask.job_id, owner_request=ask.request,
        )  # fmt: skip
        run = session.get_one(Run, start(session, wish))
    return _acquired(session, run, host)


def release(session: Session, host: str, ask: Release) -> bool:
    """Stop a run that this job acquired; `False` when it is no longer this worker's job."""
    run = session.get(Run, ask.run_id)
    if run is None or run.owner_job != ask.job_id or not work.running(session, ask, ask.worker, host):
        return False
    state.request_stop(session, run.id, "its job has done with it")
    return True


def hold(session: Session, run_ids: Collection[str], keep_alive: float | None = None) -> list[str]:
    """Those of the runs that are ready are used until a few seconds from now: no eviction before that.

    `keep_alive`: seconds that they stay loaded when nobody uses them any more, from now on.
    """
    if not run_ids:
        return []
    values: dict[str, Any] = {"last_used_at": now(session) + HOLD}
    if keep_alive is not None:
        values["keep_alive"] = keep_alive
    ready = (Run.id.in_(run_ids), Run.state == RunState.READY)
    return list(session.scalars(update(Run).where(*ready).values(values).returning(Run.id)))


def over(session: Session, run_ids: Collection[str]) -> set[str]:
    """Those of the runs that have ended, or are not known any more."""
    if not run_ids:
        return set()
    return set(run_ids) - set(session.scalars(select(Run.id).where(Run.id.in_(run_ids), is_live_run)))


def attend(session: Session, slots: Mapping[str, int]) -> None:
    """So many slots of each run are for people who wait for an answer; work that nobody waits for leaves them free."""
    for count in set(slots.values()):
        ids = [run_id for run_id, wanted in slots.items() if wanted == count]
        session.execute(update(Run).where(Run.id.in_(ids)).values(attended=count))


def let_go(session: Session, run_ids: Collection[str]) -> None:
    """A front door has done with these runs: last used now, but for those that another one holds."""
    if run_ids:
        moment = now(session)
        ours = (Run.id.in_(run_ids), Run.last_used_at <= moment + (HOLD - RENEW))
        session.execute(update(Run).where(*ours).values(last_used_at=moment))


def unload(session: Session, model_id: str) -> int:
    """Runs of the model that anybody may use and that are not pinned end as soon as nobody uses them; how many."""
    theirs = (Run.model_id == model_id, Run.owner_job.is_(None), Run.pinned.is_(False))
    ended = update(Run).where(*theirs, Run.state == RunState.READY).values(keep_alive=0.0).returning(Run.id)
    return len(session.scalars(ended).all())


def _acquired(session: Session, run: Run, host: str) -> Acquired:
    ready = run.state == RunState.READY and run.endpoint is not None
    waiting = (run.blocked_by or {}).get("sentence") if run.state == RunState.PENDING else None
    return Acquired.model_validate(
        {
            "run_id": run.id,
            "state": run.state,
            "generation": run.generation,
            "endpoint": Endpoint.model_validate(run.endpoint) if ready else None,
            "model": catalog.on_host(session, [run.model_id], host).get(run.model_id),
            "load_seconds": run.load_seconds,
            "peak": run.memory_peak,
            "error": run.error,
            "waiting": waiting,
        }
    )
