"""Waiting work in lines, one for each shape, oldest first; and what it asks for all together."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.limits import Limits
from scheduler.turns import Item, Line, age
from scheduler.views import JobView, RunView, Shape, Snapshot
from shared.errors import DeadlinePassed, Problem
from shared.vocabulary import Capability, RunState

_Model = tuple[str, Capability]


@dataclass
class Waiting:
    """Everything that waits and is not too late."""

    lines: list[Line] = field(default_factory=list)
    limits: Limits = field(default_factory=lambda: Limits({}))
    #: The most urgent class of the jobs that wait for a model, and how many wait; paused ones aside.
    wanted: dict[_Model, int] = field(default_factory=dict)
    backlog: Counter[_Model] = field(default_factory=Counter)
    #: Jobs of several parts of the queue wait, so that they share; or of several classes, so that some are overtaken.
    contended: bool = False
    mixed: bool = False
    failures: dict[str, Problem] = field(default_factory=dict)


def line_up(snapshot: Snapshot) -> Waiting:
    """Lines of the jobs and of the runs that are to be placed."""
    waiting = Waiting(limits=Limits(snapshot.queues))
    for shape, jobs in _by_shape(snapshot, waiting.failures).items():
        _add(waiting, shape, jobs, snapshot)
    waiting.contended = len({line.queue for line in waiting.lines}) > 1
    waiting.mixed = len({line.rank for line in waiting.lines}) > 1
    waiting.lines += [Line(deque([run]), run.rank, "") for run in snapshot.runs if _to_place(run)]
    return waiting


def _by_shape(snapshot: Snapshot, failures: dict[str, Problem]) -> Mapping[Shape, list[JobView]]:
    found: dict[Shape, list[JobView]] = {}
    for job in snapshot.jobs:
        if job.deadline is not None and job.deadline <= snapshot.now:
            failures[job.id] = _late(job, snapshot.now)
        elif job.shape in found:
            found[job.shape].append(job)
        else:
            found[job.shape] = [job]
    return found


def _add(waiting: Waiting, shape: Shape, jobs: list[JobView], snapshot: Snapshot) -> None:
    """A line for them; exclusive jobs that have a host already are lines of their own, for they fare better."""
    jobs.sort(key=age)
    owners = {host.reserved_by for host in snapshot.hosts.values()} if shape.exclusive else set()
    waiting.lines += [Line(deque([job]), shape.rank, shape.queue) for job in jobs if job.id in owners]
    common: deque[Item] = deque(job for job in jobs if job.id not in owners)
    if common:
        waiting.lines.append(Line(common, shape.rank, shape.queue))
    if shape.model_id is not None and waiting.limits.hindrance(shape) is None:
        model = shape.model_id, shape.capability
        waiting.wanted[model] = min(shape.rank, waiting.wanted.get(model, shape.rank))
        waiting.backlog[model] += len(jobs)


def _to_place(run: RunView) -> bool:
    return run.state == RunState.PENDING and run.host is None and run.owner_live


def _late(job: JobView, now: float) -> Problem:
    waited = f"{now - job.queued_at:.0f} s"
    return DeadlinePassed(
        "The job had not begun when its deadline passed",
        f"it waited {waited} for its turn or for a place",
        "submit it with a later deadline or a higher priority, or see what it waited for: cidermill jobs explain",
    ).problem
