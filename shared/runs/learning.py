"""The rows behind `learned`: measured peaks are kept when a run outgrows its estimate or ends, and read back by model.

A run that nobody used has filled no cache and worked on no prompt, so that its peak is too low to learn from; it counts
only when it is already above the estimate. How many slots were at work at once is kept with a peak, since only one of
full slots may lower an estimate. The echo model holds what its script says, which teaches nothing; that it
died for lack of memory does.
"""

from __future__ import annotations

from collections.abc import Collection
from math import ceil
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, func, select, tuple_
from sqlalchemy.orm import Session

from shared.db import clock_time
from shared.errors import OutOfMemory, Problem
from shared.runs.learned import LearnedPeak, bucket, params_digest, version_key
from shared.tables import HostRuntime, Learned, Model, Run
from shared.upsert import insert_for
from shared.vocabulary import Format

#: What a run held when memory ran out was too little: the next one of its kind is taken to peak at so much more.
AFTER_DEATH = 1.25
#: Deaths alone raise an estimate to so many times itself at most: something else on the host may take the memory.
MOST_AFTER_DEATHS = 4

_learned = Learned.__table__.c
_PEAKS = (
    select(
        _learned.model_id, _learned.runtime, _learned.version, _learned.context, _learned.slots, _learned.params,
        _learned.peak, _learned.estimate, _learned.samples, _learned.out_of_memory_at, _learned.busy,
    )
    .where(_learned.model_id.in_(bindparam("ids", expanding=True)))
    .order_by(*Learned.__table__.primary_key)
)  # fmt: skip
_MARK = select(func.count(), func.max(_learned.updated_at))


def outgrew(session: Session, run: Run) -> None:
    """A run that lives uses more than it was estimated to: the next placement asks for that, without waiting."""
    _keep(session, run, peak=run.memory_peak or 0, samples=0)


def ended(session: Session, run: Run, error: Problem | None) -> None:
    """What the life of a run teaches; nothing when it was never measured, or hardly used."""
    if error is not None and error.code == OutOfMemory.code:
        _keep(session, run, peak=_after_death(run), samples=1, out_of_memory=True)
    elif run.memory_peak is not None:
        _keep(session, run, peak=run.memory_peak, samples=1)


def estimate_of(run: Run) -> int:
    """Bytes that a placed run was estimated to need, before any correction."""
    return max(1, run.memory_need - int(run.memory_parts.get("correction", 0)))


def _after_death(run: Run) -> int:
    raised = min(ceil(AFTER_DEATH * max(run.memory_need, estimate_of(run))), MOST_AFTER_DEATHS * estimate_of(run))
    return max(raised, run.memory_peak or 0)


def _keep(session: Session, run: Run, *, peak: int, samples: int, out_of_memory: bool = False) -> None:
    beyond = peak > estimate_of(run)
    if not (out_of_memory or beyond or _used(run)):
        return
    found = session.execute(
        select(HostRuntime.info, Model.format)
        .join(Model, Model.id == run.model_id)
        .where(HostRuntime.host == run.host, HostRuntime.name == run.runtime)
    ).first()
    if found is None or (found.format == Format.ECHO and not out_of_memory):
        return
    moment = clock_time(session)
    lesson = {
        "model_id": run.model_id,
        "runtime": run.runtime,
        "version": version_key(str(found.info.get("version", ""))),
        "context": bucket(run.context),
        "slots": run.slots,
        "params": params_digest(run.spec.get("params") or {}),
        "peak": peak,
        "estimate": estimate_of(run),
        "samples": samples,
        "busy": _busy(run),
        "out_of_memory_at": moment if out_of_memory else None,
        "updated_at": moment,
    }
    _merge(session, lesson)


def _used(run: Run) -> bool:
    """An attempt ended on it, or the gateway sent it a request."""
    return run.ready_at is not None and run.last_used_at is not None and run.last_used_at > run.ready_at


def _busy(run: Run) -> int:
    """Most slots at work at once. Between two reports a short request goes unseen, but who was used had one."""
    return max(run.busy_most, int(_used(run)))


def _merge(session: Session, lesson: dict[str, Any]) -> None:
    """Of two lessons the row keeps the one that went further beyond its estimate, whichever came first; of slots at
    work, the most.
    """
    new = insert_for(session, Learned).values(lesson)
    # In floating point: the product of two sizes is too big for an integer.
    further = new.excluded.peak * 1.0 * Learned.estimate > Learned.peak * 1.0 * new.excluded.estimate
    session.execute(
        new.on_conflict_do_update(
            index_elements=list(Learned.__table__.primary_key),
            set_={
                "peak": case((further, new.excluded.peak), else_=Learned.peak),
                "estimate": case((further, new.excluded.estimate), else_=Learned.estimate),
                "samples": Learned.samples + new.excluded.samples,
                "busy": case((Learned.busy > new.excluded.busy, Learned.busy), else_=new.excluded.busy),
                "out_of_memory_at": func.coalesce(new.excluded.out_of_memory_at, Learned.out_of_memory_at),
                "updated_at": new.excluded.updated_at,
            },
        )
    )


# --- looking -----------------------------------------------------------------------------------


def read_peaks(connection: Connection, model_ids: Collection[str]) -> dict[str, tuple[LearnedPeak, ...]]:
    """What is known of these models, of every runtime and version; models nothing is known of are left out."""
    found: dict[str, list[LearnedPeak]] = {}
    for model_id, *key, peak, estimate, samples, died_at, busy in connection.execute(_PEAKS, {"ids": list(model_ids)}):
        runtime, version, context, slots, params = key
        found.setdefault(model_id, []).append(
            LearnedPeak(runtime, version, context, slots, params, peak, estimate, samples, died_at is not None, busy)
        )
    return {model_id: tuple(peaks) for model_id, peaks in found.items()}


def learned_mark(connection: Connection) -> tuple[Any, ...]:
    """Changes whenever something was learned or forgotten."""
    return tuple(connection.execute(_MARK).one())


# --- forgetting --------------------------------------------------------------------------------


def forget_versions(session: Session) -> int:
    """Delete what runtimes taught in versions that no host offers any more; how many rows."""
    rows = session.execute(select(Learned.runtime, Learned.version).distinct())
    known = {(runtime, version) for runtime, version in rows}
    offers = session.execute(
        select(HostRuntime.name, HostRuntime.info).where(HostRuntime.name.in_({n for n, _ in known}))
    )
    gone = known - {(name, version_key(str(info.get("version", "")))) for name, info in offers}
    if not gone:
        return 0
    key = tuple_(Learned.runtime, Learned.version)
    return len(session.scalars(delete(Learned).where(key.in_(list(gone))).returning(Learned.peak)).all())
