"""A snapshot as it is right after its plan was carried out, before time passes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from scheduler.decisions import NewRun, Plan, Start
from scheduler.views import LaneView, QueueView, RunView, Snapshot
from shared.vocabulary import RunState


def carried_out(seen: Snapshot, decided: Plan) -> Snapshot:
    """Assigned jobs are at work, placed runs start, stopped ones stop, models come, hosts are reserved, passes kept."""
    stopped = {stop.run_id for stop in decided.stops}
    runs = [_assigned(each, decided) for each in seen.runs]
    runs = [replace(each, state=RunState.STOPPING) if each.id in stopped and each.host else each for each in runs]
    runs = [each for each in runs if each.id not in stopped or each.host]
    placed = {start.run: start for start in decided.starts if isinstance(start.run, str)}
    runs = [_placed(each, placed[each.id]) if each.id in placed else each for each in runs]
    runs += [_made(start, number, seen.now) for number, start in enumerate(decided.starts)
             if isinstance(start.run, NewRun)]  # fmt: skip
    reserved = {each.host: each.job_id for each in decided.reserves}
    disk = _disk(seen, decided)
    hosts = {
        name: replace(host, reserved_by=reserved.get(name, host.reserved_by), disk_free=host.disk_free - disk[name])
        for name, host in seen.hosts.items()
    }
    gone = {each.job_id for each in decided.assigns} | set(decided.failures)
    asked = {(each.job_id, each.attempt) for each in decided.preempts}
    attempts = [replace(a, giving_way=a.giving_way or (a.job_id, a.attempt) in asked) for a in seen.attempts]
    passes = {name: replace(seen.queues.get(name, QueueView(name)), stride_pass=number)
              for name, number in decided.passes.items()}  # fmt: skip
    coming = {each.model_id: frozenset({each.host}) for each in decided.fetches}
    models = {name: replace(each, coming=coming.get(name, each.coming)) for name, each in seen.models.items()}
    return replace(
        seen, models=models, hosts=hosts, runs=tuple(runs), jobs=tuple(job for job in seen.jobs if job.id not in gone),
        lanes=_lanes(seen, decided), attempts=tuple(attempts), queues={**seen.queues, **passes},
    )  # fmt: skip


def _assigned(run: RunView, decided: Plan) -> RunView:
    mine = [each for each in decided.assigns if each.run_id == run.id]
    return replace(run, attempts=run.attempts + len(mine), used=run.used + sum(each.slots for each in mine))


def _placed(run: RunView, start: Start) -> RunView:
    size = start.size
    return replace(
        run, state=RunState.STARTING, host=start.host, runtime=start.runtime, slots=size.slots, context=size.context,
        held=size.need.total,
    )  # fmt: skip


def _made(start: Start, number: int, now: float) -> RunView:
    assert isinstance(start.run, NewRun)
    new = start.run
    run = RunView(f"made-{number}", RunState.PENDING, new.model_id, new.model, new.capability, new.spec, new.rank, now)
    return _placed(run, start)


def _lanes(seen: Snapshot, decided: Plan) -> dict[tuple[str, str], LaneView]:
    given = Counter((each.host, each.runtime) for each in decided.assigns)
    alone = Counter((each.host, each.runtime) for each in decided.assigns if each.run_id is None)
    lanes = dict(seen.lanes)
    for lane, number in given.items():
        known = lanes.get(lane, LaneView())
        lanes[lane] = LaneView(known.attempts + number, known.without_run + alone[lane])
    return lanes


def _disk(seen: Snapshot, decided: Plan) -> Counter[str]:
    """Bytes that the downloads which begin will take."""
    needs = {job.id: job.shape.disk for job in seen.jobs}
    taken: Counter[str] = Counter()
    for each in decided.assigns:
        taken[each.host] += needs[each.job_id]
    return taken
