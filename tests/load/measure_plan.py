"""How long one plan takes, on one core, for queues and fleets of a size that nobody has yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median

from scheduler.plan import plan
from scheduler.planner import Changes, Planner
from scheduler.views import RunView, Snapshot
from tests.load.figure import Figure, percentile
from tests.scheduler.carry import carried_out
from tests.scheduler.crowd import crowd
from tests.scheduler.fleet import NOW

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
    """Milliseconds of each plan after one job has ended, in a fleet that is otherwise settled."""
    settled = carried_out(seen, plan(seen))
    planner = Planner(settled)
    planner.plan()
    at_work = [run for run in settled.runs if run.attempts > 1][:_EVENTS]
    return [1000 * _seconds(partial(planner.replan, _freed(run))) for run in at_work]


def _freed(run: RunView) -> Changes:
    return Changes(NOW, runs=(replace(run, used=run.used - 1, attempts=run.attempts - 1),))


def _seconds(work: Callable[[], object]) -> float:
    """Of the processor: other programs on it are none of the planner's business."""
    began = time.process_time()
    work()
    return time.process_time() - began
