"""Planning again after a small change: only what the change can help is looked at, with the same rules.

After a plan was carried out nothing more can be decided until something changes. So a job that comes can only be
helped where its model is, and a slot that comes free can only help jobs of that model, or those for whom the memory
of its host is kept. What lies further afield, such as a second copy or an idle run to be ended, waits for the next
whole plan.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from scheduler.crowds import relieve
from scheduler.decisions import Plan
from scheduler.lines import line_up
from scheduler.plan import decide
from scheduler.turns import age
from scheduler.views import HostView, JobView, QueueView, RunView, Shape, Snapshot
from shared.vocabulary import RunState

#: Jobs of one shape that a small change could help at once.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Changes:
    """What is new since the last look: rows that are new or other, and ids of those that are gone."""

    now: float
    jobs: tuple[JobView, ...] = ()
    gone_jobs: tuple[str, ...] = ()
    runs: tuple[RunView, ...] = ()
    gone_runs: tuple[str, ...] = ()
    hosts: tuple[HostView, ...] = ()
    #: Pass numbers as they were stored.
    queues: Mapping[str, QueueView] = field(default_factory=dict)


class Planner:
    """Remembers what waits and what runs from one plan to the next."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._seen = snapshot
        self._hosts, self._queues = dict(snapshot.hosts), dict(snapshot.queues)
        self._runs: dict[str, RunView] = {}
        self._runs_on: dict[str, set[str]] = {}
        self._runs_of: dict[str, set[str]] = {}
        self._jobs: dict[str, JobView] = {}
        self._lines: dict[str | None, dict[Shape, list[JobView]]] = {}
        self._promises: dict[Shape, str] = {}
        self._contended = self._mixed = False
        for run in snapshot.runs:
            self._put_run(run)
        for job in sorted(snapshot.jobs, key=age):
            self._put_job(job)

    def plan(self) -> Plan:
        """The whole plan, as `scheduler.plan.plan` makes it."""
        snapshot = replace(
            self._seen, hosts=self._hosts, runs=tuple(self._runs.values()), jobs=tuple(self._jobs.values()),
            queues=self._queues,
        )  # fmt: skip
        waiting = line_up(snapshot)
        self._contended, self._mixed = waiting.contended, waiting.mixed
        draft = decide(snapshot, waiting)
        relieve(draft)
        self._promises = draft.promises
        return draft.plan()

    def replan(self, changes: Changes) -> Plan:
        """What can be decided at once after `changes` to what was planned last. Times are those of `changes`."""
        touched = self._take_in(changes)
        new = {job.shape for job in changes.jobs}
        unserved = [shape for shape in new if not self._runs_of.get(shape.model_id or "")]
        open_hosts = touched | {host for shape in unserved for host in self._homes(shape)}
        models = {self._runs[each.id].model_id for each in changes.runs if each.id in self._runs}
        shapes = new | {shape for model in models for shape in self._lines.get(model, ())}
        shapes |= {shape for shape, host in self._promises.items() if host in open_hosts}
        snapshot = self._around(changes.now, open_hosts, shapes)
        waiting = line_up(snapshot)
        # Who shares with whom depends on all that waits, not on what is looked at now.
        waiting.contended, waiting.mixed = waiting.contended or self._contended, waiting.mixed or self._mixed
        decided = decide(snapshot, waiting).plan()
        here = {run.id for run in snapshot.runs if run.host in open_hosts or run.host is None}
        return replace(decided, stops=tuple(stop for stop in decided.stops if stop.run_id in here))

    # --- what is known -------------------------------------------------------------------------

    def _take_in(self, changes: Changes) -> set[str]:
        """Remember the changes; the hosts they touch."""
        touched = {host.name for host in changes.hosts}
        self._hosts |= {host.name: host for host in changes.hosts}
        self._queues |= changes.queues
        for run_id in (*changes.gone_runs, *(run.id for run in changes.runs)):
            old = self._runs.pop(run_id, None)
            if old is not None:
                touched.add(old.host or "")
                self._runs_on[old.host or ""].discard(run_id)
                self._runs_of[old.model_id].discard(run_id)
        for run in changes.runs:
            touched.add(run.host or "")
            self._put_run(run)
        for job_id in changes.gone_jobs:
            self._drop_job(job_id)
        for job in changes.jobs:
            self._put_job(job)
        return touched & self._hosts.keys()

    def _put_run(self, run: RunView) -> None:
        self._runs[run.id] = run
        self._runs_on.setdefault(run.host or "", set()).add(run.id)
        self._runs_of.setdefault(run.model_id, set()).add(run.id)

    def _put_job(self, job: JobView) -> None:
        self._jobs[job.id] = job
        insort(self._lines.setdefault(job.shape.model_id, {}).setdefault(job.shape, []), job, key=age)

    def _drop_job(self, job_id: str) -> None:
        job = self._jobs.pop(job_id, None)
        if job is not None:
            shapes = self._lines[job.shape.model_id]
            line = shapes[job.shape]
            del line[bisect_left(line, age(job), key=age)]
            if not line:
                del shapes[job.shape]
                self._promises.pop(job.shape, None)

    # --- what is looked at ---------------------------------------------------------------------

    def _homes(self, shape: Shape) -> Iterable[str]:
        """Hosts where a run for this shape could be loaded, or its lane is."""
        model = self._seen.models.get(shape.model_id or "")
        return self._hosts if model is None else [name for name in self._hosts if model.on(name)]

    def _around(self, now: float, open_hosts: set[str], shapes: Iterable[Shape]) -> Snapshot:
        """A small snapshot: these hosts whole, and elsewhere the runs of these shapes' models, admitting no other."""
        jobs = [job for shape in shapes for job in self._lines.get(shape.model_id, {}).get(shape, [])[:_AT_ONCE]]
        models = {job.shape.model_id or "" for job in jobs}
        names = {name for host in open_hosts for name in self._runs_on.get(host, ())}
        names |= {name for model in models for name in self._runs_of.get(model, ())}
        names |= {name for name in self._runs_on.get("", ()) if self._runs[name].state == RunState.PENDING}
        runs = tuple(self._runs[name] for name in sorted(names))
        hosts = {name: self._hosts[name] for name in sorted(open_hosts)}
        hosts |= {
            run.host: replace(self._hosts[run.host], guard="closed")
            for run in runs
            if run.host in self._hosts and run.host not in open_hosts
        }
        attempts = tuple(each for each in self._seen.attempts if each.run_id in names)
        lanes = {lane: view for lane, view in self._seen.lanes.items() if lane[0] in hosts}
        return replace(
            self._seen, now=now, hosts=hosts, runs=runs, jobs=tuple(jobs), attempts=attempts, lanes=lanes,
            queues=self._queues,
        )  # fmt: skip
