"""A plan in the making: what is still free while decisions are taken one by one, in order."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from scheduler.budget import Budget
from scheduler.decisions import Assign, NewRun, Plan, Reserve, Start, Stop
from scheduler.reasons import Reason
from scheduler.views import HostView, JobView, RunView, Shape, Snapshot
from shared.errors import Problem
from shared.runs.need import RunSize
from shared.vocabulary import Capability, RunState

#: States of runs that jobs sit on, or will.
SERVING = frozenset({RunState.PENDING, RunState.STARTING, RunState.READY})


@dataclass(slots=True, eq=False)
class Seat:
    """A run on a host: `free` slots now when it is ready, else as soon as it is."""

    run: RunView
    free: int
    #: It was given work, or told to stop, by this plan.
    taken: bool = False
    stopped: bool = False

    @property
    def ready(self) -> bool:
        return self.run.state == RunState.READY

    @property
    def evictable(self) -> bool:
        return self.run.evictable and not self.taken and not self.stopped


@dataclass
class Draft:
    """Decisions so far and what they leave. Only the functions of the planner write to it."""

    snapshot: Snapshot
    budgets: dict[str, Budget] = field(default_factory=dict)
    #: Every run that holds memory, by host; those that serve anyone, by model and capability.
    seats_on: dict[str, list[Seat]] = field(default_factory=lambda: defaultdict(list))
    serving: dict[tuple[str, Capability], list[Seat]] = field(default_factory=lambda: defaultdict(list))
    attempts_on: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    lane_used: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    disk_taken: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    #: Host → exclusive job.
    reserved: dict[str, str] = field(default_factory=dict)
    #: Hosts that work further ahead in the order waits for.
    claimed: set[str] = field(default_factory=set)
    #: What jobs of a shape are told once none of them can be helped any more.
    answers: dict[Shape, Reason] = field(default_factory=dict)
    #: Runs that take no new work, so that somebody who has waited too long gets their memory.
    yielding: set[str] = field(default_factory=set)

    assigns: list[Assign] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    reserves: list[Reserve] = field(default_factory=list)
    failures: dict[str, Problem] = field(default_factory=dict)
    blocked_jobs: dict[str, Reason] = field(default_factory=dict)
    blocked_runs: dict[str, Reason] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, host in self.snapshot.hosts.items():
            self.budgets[name] = Budget(host.budget)
            if host.reserved_by is not None:
                self.reserved[name] = host.reserved_by
        for (name, runtime), lane in self.snapshot.lanes.items():
            self.attempts_on[name] += lane.attempts
            self.lane_used[name, runtime] = lane.without_run
        for run in self.snapshot.runs:
            if run.host in self.budgets:
                self._sit(run)

    def _sit(self, run: RunView) -> Seat:
        host = run.host or ""
        self.budgets[host].held += run.held
        if run.state == RunState.STOPPING:
            self.budgets[host].leaving += run.held
        seat = Seat(run, free=run.slots - run.used)
        self.seats_on[host].append(seat)
        if run.state in SERVING and run.owner_job is None:
            self.serving[run.model_id, run.capability].append(seat)
        return seat

    def takes_work(self, host: HostView, owner: str | None = None) -> bool:
        """Open to everyone and not reserved; or reserved for `owner`, whose work goes on while a host drains."""
        reserved_by = self.reserved.get(host.name)
        if owner is not None and reserved_by == owner:
            return host.up
        return host.open and reserved_by is None

    def assign(self, job: JobView, host: str, runtime: str, seat: Seat | None = None) -> None:
        """Give `job` as many slots as it wants and `seat` has; without a seat, its place on the lane."""
        slots = 1
        if seat is not None:
            slots = min(job.slots, seat.free)
            seat.free -= slots
            seat.taken = True
        else:
            self.lane_used[host, runtime] += 1
            self.disk_taken[host] += job.shape.disk
        self.attempts_on[host] += 1
        self.assigns.append(Assign(job.id, host, runtime, seat.run.id if seat else None, slots))

    def start(self, wanted: RunView, host: str, runtime: str, size: RunSize, new: NewRun | None = None) -> Seat:
        """Place a run; its memory is held from now on, and its seat can be waited for."""
        self.starts.append(Start(new or wanted.id, host, runtime, size))
        placed = replace(
            wanted, host=host, runtime=runtime, slots=size.slots, context=size.context, held=size.need.total
        )
        return self._sit(placed)

    def stop(self, seat: Seat, reason: str) -> None:
        """End a run that is placed; its memory is on its way back."""
        if seat.stopped or seat.run.state == RunState.STOPPING or seat.run.state.final:
            return
        seat.stopped = True
        seat.free = 0
        self.budgets[seat.run.host or ""].leaving += seat.run.held
        self.stops.append(Stop(seat.run.id, reason, placed=seat.run.state != RunState.PENDING))

    def reserve(self, host: str, job_id: str) -> None:
        self.reserved[host] = job_id
        self.reserves.append(Reserve(host, job_id))

    def block(self, item: JobView | RunView, reason: Reason) -> None:
        if isinstance(item, JobView):
            self.blocked_jobs[item.id] = reason
        else:
            self.blocked_runs[item.id] = reason

    def answer(self, job: JobView, reason: Reason) -> None:
        """Block `job` and all of its shape behind it."""
        self.answers[job.shape] = reason
        self.block(job, reason)

    def plan(self) -> Plan:
        return Plan(
            tuple(self.assigns),
            tuple(self.starts),
            tuple(self.stops),
            tuple(self.reserves),
            self.failures,
            self.blocked_jobs,
            self.blocked_runs,
        )
