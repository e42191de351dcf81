"""What has changed from one look to the next that could help somebody: the events a plan is made for.

What the last plan did itself is no event: work it gave away takes slots, and runs it started are not ready yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from scheduler.views import HostView, JobView, QueueView, RunView, Snapshot
from shared.vocabulary import RunState


@dataclass(frozen=True, slots=True)
class Changes:
    """Of a fleet whose hosts, and limits of the queue, stand as they did."""

    jobs: tuple[JobView, ...]
    #: Runs that are to be placed.
    pending: tuple[RunView, ...]
    #: Runs with more free slots than before: work on them ended, or they became ready.
    freed: tuple[RunView, ...]
    #: Runs that are over, as they were; their memory is free again.
    gone: tuple[RunView, ...]
    #: Lanes where work ended that had no run.
    lanes: tuple[tuple[str, str], ...]

    @property
    def many(self) -> int:
        return len(self.jobs) + len(self.pending) + len(self.freed) + len(self.gone) + len(self.lanes)


def find_changes(before: Snapshot, known: Collection[str], after: Snapshot) -> Changes | None:
    """What is new in `after`, where `known` are the jobs of `before` by id; `None`: whom it concerns cannot be told."""
    if not _same_hosts(before, after) or _opened(before, after):
        return None
    old = {run.id: run for run in before.runs}
    pending, freed = [], []
    for run in after.runs:
        was = old.pop(run.id, None)
        if run.state == RunState.READY:
            if was is None or _freed(was, run):
                freed.append(run)
        elif was is None and run.host is None and run.state == RunState.PENDING:
            pending.append(run)
    lanes = [lane for lane, was in before.lanes.items() if was.without_run and _less(after, lane, was.without_run)]
    jobs = tuple(job for job in after.jobs if job.id not in known)
    return Changes(jobs, tuple(pending), tuple(freed), _placed(old.values()), tuple(lanes))


def _freed(was: RunView, run: RunView) -> bool:
    return (
        was.state != RunState.READY
        or run.slots - run.used > was.slots - was.used
        or run.attempts < was.attempts
        or (was.streaming and not run.streaming)
    )


def _placed(runs: Iterable[RunView]) -> tuple[RunView, ...]:
    return tuple(run for run in runs if run.host is not None)


def _less(after: Snapshot, lane: tuple[str, str], number: int) -> bool:
    now = after.lanes.get(lane)
    return now is None or now.without_run < number


def _same_hosts(before: Snapshot, after: Snapshot) -> bool:
    """The same hosts offer the same to the same people; load, heat and free bytes change all the time."""
    if before.hosts.keys() != after.hosts.keys():
        return False
    return all(_same(was, after.hosts[name]) for name, was in before.hosts.items())


def _same(was: HostView, host: HostView) -> bool:
    return was is host or (
        was.up == host.up
        and was.guard == host.guard
        and was.reserved_by == host.reserved_by
        and was.cordoned == host.cordoned
        and was.leaving == host.leaving
        and was.runtimes.keys() == host.runtimes.keys()
        and was.taints == host.taints
        and was.labels == host.labels
    )


def _opened(before: Snapshot, after: Snapshot) -> bool:
    """A part of the queue that was paused or at its limit is not any more: anybody in it may begin."""
    return any(
        _closed(was) and ((row := after.queues.get(name)) is None or not _closed(row))
        for name, was in before.queues.items()
    )


def _closed(part: QueueView) -> bool:
    return part.paused or (part.max_running is not None and part.running >= part.max_running)
