"""A plan in the making for rivals: simpler schedulers than ours, from the same snapshots to the same decisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from scheduler.decisions import Assign, NewRun, Plan, Start, Stop
from scheduler.views import HostView, JobView, RunView, Shape, Snapshot
from shared.runs.need import RunSize, size_run
from shared.vocabulary import RunState


@dataclass
class Board:
    """What is still free while a rival decides, job by job."""

    snapshot: Snapshot
    _assigns: list[Assign] = field(default_factory=list)
    _starts: list[Start] = field(default_factory=list)
    _stops: list[Stop] = field(default_factory=list)
    _held: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _free: dict[str, int] = field(default_factory=dict)
    #: Models being loaded, with the host, those of this plan among them.
    _coming: set[tuple[str, str]] = field(default_factory=set)

    _sizes: dict[Shape, RunSize] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for run in self.snapshot.runs:
            self._held[run.host or ""] += run.held
            self._free[run.id] = run.slots - run.used if run.state == RunState.READY else 0
            if run.state == RunState.STARTING:
                self._coming.add((run.model_id, run.host or ""))

    def queue(self) -> list[JobView]:
        """Jobs in the order they came, whatever their class."""
        return sorted(self.snapshot.jobs, key=lambda job: (job.queued_at, len(job.id), job.id))

    def hosts(self, job: JobView) -> list[HostView]:
        """Living hosts that could hold its model, were they empty, and that it is not barred from."""
        need, barred = self.size(job).need.total, self.snapshot.models[job.shape.model_id or ""].quarantined
        hosts = self.snapshot.hosts.values()
        return [host for host in hosts if host.open and need <= host.budget and host.name not in barred]

    def size(self, job: JobView) -> RunSize:
        """What a run of its model holds; every host has the same runtime."""
        known = self._sizes.get(job.shape)
        if known is not None:
            return known
        info = next(info for host in self.snapshot.hosts.values() for info in host.runtimes.values())
        model = self.snapshot.models[job.shape.model_id or ""]
        size = size_run(model, info, job.shape.spec, model.learned)
        self._sizes[job.shape] = size
        return size

    def free(self, host: HostView) -> int:
        """Bytes that nobody holds there."""
        return host.budget - self._held[host.name]

    def loaded(self, job: JobView, hosts: Iterable[HostView]) -> list[RunView]:
        """Ready runs of its model on these hosts."""
        names = {host.name for host in hosts}
        return [
            run
            for run in self.snapshot.runs
            if run.state == RunState.READY and run.model_id == job.shape.model_id and run.host in names
        ]

    def coming(self, job: JobView, hosts: Iterable[HostView]) -> bool:
        """Its model is being loaded on one of these hosts."""
        return any((job.shape.model_id or "", host.name) in self._coming for host in hosts)

    def seat(self, job: JobView, hosts: Iterable[HostView]) -> bool:
        """Give it the run with most free slots; is there one?"""
        runs = [run for run in self.loaded(job, hosts) if self._free[run.id] > 0]
        if not runs:
            return False
        run = max(runs, key=lambda run: (self._free[run.id], run.id))
        self._free[run.id] -= 1
        self._assigns.append(Assign(job.id, run.host or "", run.runtime or "", run.id, 1))
        return True

    def load(self, job: JobView, host: HostView) -> bool:
        """Load its model there; does it fit?"""
        size = self.size(job)
        if size.need.total > self.free(host):
            return False
        shape = job.shape
        new = NewRun(
            shape.model_id or "", shape.model or "", shape.capability, shape.spec, shape.rank, shape.runtime, shape.host
        )
        self._starts.append(Start(new, host.name, next(iter(host.runtimes)), size))
        self._held[host.name] += size.need.total
        self._coming.add((new.model_id, host.name))
        return True

    def idle(self, host: HostView) -> list[RunView]:
        """Ready runs there that nobody uses, the least recently used first."""
        runs = [
            run
            for run in self.snapshot.runs
            if run.host == host.name and run.evictable and self._free[run.id] == run.slots
        ]
        return sorted(runs, key=lambda run: (run.last_used_at, run.id))

    def count(self, host: HostView) -> int:
        """Models that it holds, wherever they are in their life."""
        return sum(run.host == host.name for run in self.snapshot.runs) + sum(
            start.host == host.name for start in self._starts
        )

    def leaving(self, host: HostView) -> bool:
        """Memory is on its way back there."""
        return any(run.host == host.name and run.state == RunState.STOPPING for run in self.snapshot.runs)

    def stop(self, run: RunView, why: str) -> None:
        """End an idle run."""
        self._free[run.id] = 0
        self._stops.append(Stop(run.id, why))

    def plan(self) -> Plan:
        return Plan(tuple(self._assigns), tuple(self._starts), tuple(self._stops), (), {}, {}, {})
