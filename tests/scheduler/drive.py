"""A little world that carries out plans: jobs last as long as they are told to, loads and stops take a moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from scheduler.decisions import Assign, NewRun, Plan, Preempt, Start
from scheduler.plan import plan
from scheduler.views import (
    AttemptView,
    HostView,
    JobView,
    LaneView,
    ModelView,
    QueueView,
    Rate,
    RunView,
    Shape,
    Snapshot,
)
from shared.vocabulary import RunState
from tests.scheduler.fleet import NOW


@dataclass
class AtWork:
    """A job that runs."""

    job: JobView
    given: Assign
    until: float
    began: float
    giving_way: bool = False


@dataclass
class World:
    """Rows, as a scheduler would keep them."""

    hosts: dict[str, HostView]
    models: dict[str, ModelView]
    runs: dict[str, RunView] = field(default_factory=dict)
    queues: dict[str, QueueView] = field(default_factory=dict)
    waiting: dict[str, JobView] = field(default_factory=dict)
    at_work: dict[str, AtWork] = field(default_factory=dict)
    rates: Mapping[tuple[str, str], Rate] = field(default_factory=dict)
    now: float = NOW
    seconds: float = 1.0
    load_seconds: float = 2.0
    #: Ids of jobs in the order they began; and how they were preempted.
    begun: list[str] = field(default_factory=list)
    preempted: Counter[str] = field(default_factory=Counter)
    _due: dict[str, float] = field(default_factory=dict)

    def submit(self, jobs: Iterable[JobView]) -> None:
        self.waiting |= {job.id: job for job in jobs}

    def snapshot(self) -> Snapshot:
        """As the scheduler reads it."""
        works = list(self.at_work.values())
        lanes: dict[tuple[str, str], LaneView] = {}
        for work in works:
            lane = (work.given.host, work.given.runtime)
            seen = lanes.get(lane, LaneView())
            lanes[lane] = LaneView(seen.attempts + 1, seen.without_run + (work.given.run_id is None))
        attempts = [_attempt(work, self.preempted[work.job.id]) for work in works if work.given.run_id]
        runs = tuple(self._run_view(run, works) for run in self.runs.values())
        return Snapshot(
            self.now, self._host_views(works), runs, tuple(self.waiting.values()), self.models, lanes,
            attempts=tuple(attempts), queues=self._queue_views(works), rates=self.rates,
        )  # fmt: skip

    def step(self, seconds: float = 0.0) -> Plan:
        """Let time pass, end what is due, plan, and carry the plan out."""
        self.now += seconds
        for job_id in [each.job.id for each in self.at_work.values() if each.until <= self.now]:
            self._end(job_id)
        for run_id in [run_id for run_id, due in self._due.items() if due <= self.now]:
            self._settle(run_id)
        decided = plan(self.snapshot())
        self.carry_out(decided)
        return decided

    def carry_out(self, decided: Plan) -> None:
        """What `apply` would do."""
        for stop in decided.stops:
            self._stop(stop.run_id)
        for start in decided.starts:
            self._start(start)
        for given in decided.assigns:
            job = self.waiting.pop(given.job_id)
            self.at_work[job.id] = AtWork(job, given, self.now + self.seconds, self.now)
            self.begun.append(job.id)
        for reserve in decided.reserves:
            self.hosts[reserve.host] = replace(self.hosts[reserve.host], reserved_by=reserve.job_id)
        for preempt in decided.preempts:
            self._preempt(preempt)
        for job_id in decided.failures:
            del self.waiting[job_id]
        for name, number in decided.passes.items():
            self.queues[name] = replace(self.queues.get(name, QueueView(name)), stride_pass=number)

    def _start(self, start: Start) -> None:
        run_id = start.run if isinstance(start.run, str) else f"run-{len(self.runs)}"
        new = start.run if isinstance(start.run, NewRun) else None
        base = self.runs.get(run_id) or _pending(run_id, new, self.now)
        self.runs[run_id] = replace(
            base, state=RunState.STARTING, host=start.host, runtime=start.runtime, slots=start.size.slots,
            context=start.size.context, held=start.size.need.total,
        )  # fmt: skip
        self._due[run_id] = self.now + self.load_seconds

    def _stop(self, run_id: str) -> None:
        self.runs[run_id] = replace(self.runs[run_id], state=RunState.STOPPING)
        self._due[run_id] = self.now + 1.0
        for job_id in [each.job.id for each in self.at_work.values() if each.given.run_id == run_id]:
            self.waiting[job_id] = self.at_work.pop(job_id).job

    def _settle(self, run_id: str) -> None:
        del self._due[run_id]
        if self.runs[run_id].state == RunState.STOPPING:
            del self.runs[run_id]
        else:
            self.runs[run_id] = replace(self.runs[run_id], state=RunState.READY, last_used_at=self.now)

    def _end(self, job_id: str) -> None:
        work = self.at_work.pop(job_id)
        if work.given.run_id is not None:
            self.runs[work.given.run_id] = replace(self.runs[work.given.run_id], last_used_at=self.now)
        for name, host in self.hosts.items():
            if host.reserved_by == job_id:
                self.hosts[name] = replace(host, reserved_by=None)
        if work.giving_way:
            self.preempted[job_id] += 1
            self.waiting[job_id] = work.job

    def _preempt(self, preempt: Preempt) -> None:
        work = self.at_work[preempt.job_id]
        work.giving_way, work.until = True, min(work.until, self.now + 0.5)

    def _run_view(self, run: RunView, works: list[AtWork]) -> RunView:
        mine = [work for work in works if work.given.run_id == run.id]
        used = sum(work.given.slots for work in mine)
        return replace(run, attempts=len(mine), used=used)

    def _host_views(self, works: list[AtWork]) -> dict[str, HostView]:
        words: dict[str, set[str]] = {}
        for work in works:
            if work.job.shape.avoid:
                words.setdefault(work.given.host, set()).add(work.job.shape.avoid)
        return {name: replace(host, apart=frozenset(words.get(name, ()))) for name, host in self.hosts.items()}

    def _queue_views(self, works: list[AtWork]) -> dict[str, QueueView]:
        running: Counter[str] = Counter()
        for work in works:
            running.update(("all", f"kind:{work.job.shape.kind}", work.job.shape.queue, *work.job.shape.parts))
        return {name: replace(queue, running=running[name]) for name, queue in self.queues.items()}


def _attempt(work: AtWork, preemptions: int) -> AttemptView:
    shape: Shape = work.job.shape
    return AttemptView(
        work.job.id, 1, work.given.run_id or "", work.given.slots, shape.rank, work.began,
        shape.preemptible, work.giving_way, preemptions,
    )  # fmt: skip


def _pending(run_id: str, new: NewRun | None, now: float) -> RunView:
    assert new is not None
    return RunView(
        run_id, RunState.PENDING, new.model_id, new.model, new.capability, new.spec, new.rank, now,
        wanted_host=new.wanted_host, wanted_runtime=new.wanted_runtime, last_used_at=now,
    )  # fmt: skip
