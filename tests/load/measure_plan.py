"""How long one plan takes, on one core, for queues and fleets of a size that nobody has yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median

from scheduler.plan import plan
from scheduler.planner import Planner
from scheduler.views import RunView, Snapshot
from tests.load.figure import Figure, percentile
from tests.scheduler.carry import carried_out
from tests.scheduler.crowd import crowd

_HOSTS = 1000
_EVENTS = 100


def figures() -> Iterator[Figure]:
    for jobs, target in ((10_000, 1.0), (100_000, 10.0)):
        seen = crowd(jobs, _HOSTS)
        shapes = len({job.shape for job in seen.jobs})
        seconds = median(_seconds(partial(plan, seen)) for _ in range(3))
        note = f"{len(seen.runs):,} runs, {shapes:,} different wishes"
        yield Figure(f"a plan for {jobs:,} waiting jobs, {_HOSTS:,} hosts", seconds, "s", target, "less", note)
    times = _after_events(crowd(10_000, _HOSTS))
    note = f"{_EVENTS} events, median {median(times):.1f} ms"
    yield Figure("a plan after one event, p95", percentile(times, 95), "ms", 20, "less", note)


def _after_events(seen: Snapshot) -> list[float]:
    """Milliseconds from a snapshot to the decisions, each after one job has ended in a fleet that was settled."""
    planner = Planner()
    settled = carried_out(seen, planner.plan(seen))
    planner.plan(settled)
    at_work = [run for run in settled.runs if run.attempts > 1][:_EVENTS]
    return [1000 * _seconds(partial(planner.replan, _freed(settled, run))) for run in at_work]


def _freed(settled: Snapshot, run: RunView) -> Snapshot:
    """One slot of `run` is free, and all others are taken."""
    freed = replace(run, used=run.used - 1, attempts=run.attempts - 1)
    return replace(settled, runs=tuple(freed if each is run else each for each in settled.runs))


def _seconds(work: Callable[[], object]) -> float:
    """Of the processor: other programs on it are none of the planner's business."""
    began = time.process_time()
    work()
    return time.process_time() - began
