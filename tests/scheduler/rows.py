"""Hosts, models, runs and jobs put into a database for the scheduler's tests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from shared import leader
from shared.db import Database, clock_time
from shared.identifiers import new_id
from shared.jobs import state as jobs
from shared.leader import Fence
from shared.runtimes import ModelShape, RuntimeInfo
from shared.tables import Host, HostRuntime, Install, Job, Model, Run
from shared.units import GIB
from shared.vocabulary import JobState, Priority, RunState
from tests.scheduler.fleet import LLAMA, STORE

#: A model that needs its size and 5 %.
_FLAT = ModelShape(layers=0, attention_layers=0, kv_heads=1, key_dim=1, value_dim=1)


def lead(database: Database, holder: str = "me", seconds: float = 600.0) -> Fence:
    with database.write() as session:
        fence = leader.lead(session, holder, seconds)
    assert fence is not None
    return fence


def add_host(
    session: Session,
    name: str = "studio",
    gib: float = 16,
    *runtimes: RuntimeInfo,
    seen_for: float = 600.0,
    **more: Any,
) -> None:
    """A host heard of until `seen_for` seconds from now."""
    moment = clock_time(session)
    row = {
        "name": name,
        "token_digest": f"digest of {name}",
        "labels": {},
        "telemetry": {},
        "memory_total": int(gib * GIB),
        "budget": int(gib * GIB),
        "disk_free": 100 * GIB,
        "created_at": moment,
        "seen_until": moment + seen_for,
        **more,
    }
    session.execute(insert(Host), [row])
    for info in runtimes or (LLAMA, STORE):
        offered = {"host": name, "name": info.name, "info": info.model_dump(mode="json"), "alive": True}
        session.execute(insert(HostRuntime), [offered])


def add_model(session: Session, name: str = "qwen", gib: float = 4, *hosts: str, packed: str = "gguf") -> None:
    """A model whose id is its name, installed on `hosts`."""
    moment = clock_time(session)
    row = {
        "id": name,
        "name": name,
        "provider": "local",
        "repo": f"/models/{name}",
        "format": packed,
        "size": int(gib * GIB),
        "context": 8192,
        "capabilities": ["generate"],
        "shape": _FLAT.model_dump(mode="json"),
        "created_at": moment,
    }
    session.execute(insert(Model), [row])
    for host in hosts:
        place = {
            "model_id": name,
            "host": host,
            "path": f"/models/{name}",
            "size": 0,
            "files": [],
            "installed_at": moment,
        }
        session.execute(insert(Install), [place])


def add_run(session: Session, name: str = "run", model: str = "qwen", host: str | None = "studio", **more: Any) -> None:
    """A ready run on `host`, or a pending one."""
    moment = clock_time(session)
    row = {
        "id": name,
        "state": RunState.READY if host else RunState.PENDING,
        "generation": 1 if host else 0,
        "model_id": model,
        "model": model,
        "capability": "generate",
        "spec": {},
        "host": host,
        "runtime": "llama-cpp" if host else None,
        "slots": 4,
        "context": 4096,
        "memory_held": 5 * GIB if host else 0,
        "created_at": moment,
        "last_used_at": moment,
        "lease_until": moment + 600,
        **more,
    }
    session.execute(insert(Run), [row])


def add_jobs(session: Session, count: int = 1, **more: Any) -> list[str]:
    """Submit jobs for the model `qwen`; their ids, in the order of the queue."""
    rank = more.pop("rank", 2)
    ids = sorted(new_id("job") for _ in range(count))
    row = {
        "kind": "inference",
        "params": {},
        "labels": {},
        "capability": "generate",
        "model_id": "qwen",
        "model": "qwen",
        "spec": {},
        "slots": 1,
        "disk": 0,
        "exclusive": False,
        "acquires": [],
        "priority": list(Priority)[rank],
        "rank": rank,
        **more,
    }
    jobs.submit(session, [{"id": job_id, **row} for job_id in ids])
    return ids


def states(session: Session) -> dict[str, JobState]:
    return dict(session.execute(select(Job.id, Job.state)).all())
