"""A plan in the making: what is still free while decisions are taken one by one, in order."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from scheduler.arrivals import Arrivals
from scheduler.budget import Budget
from scheduler.decisions import Assign, NewRun, Plan, Preempt, Reserve, Start, Stop
from scheduler.forecast import Forecast
from scheduler.limits import Limits
from scheduler.lines import Waiting
from scheduler.reasons import Reason
from scheduler.room import Room, room_of
from scheduler.rooms import Rooms
from scheduler.seat import Seat
from scheduler.shares import Shares
from scheduler.views import AttemptView, HostView, JobView, RunView, Shape, Snapshot
from shared.errors import Problem
from shared.runs.need import RunSize
from shared.vocabulary import Capability, RunState

#: States of runs that jobs sit on, or will.
SERVING = frozenset({RunState.PENDING, RunState.STARTING, RunState.READY})


@dataclass
class Draft:
    """Decisions so far and what they leave. Only the functions of the planner write to it."""

    snapshot: Snapshot
    waiting: Waiting
    shares: Shares = field(init=False)
    forecast: Forecast = field(init=False)
    arrivals: Arrivals = field(init=False)
    budgets: dict[str, Budget] = field(default_factory=dict)
    largest: int = 0
    #: Every run that holds memory, by host; those that serve anyone, by model and capability.
    seats_on: dict[str, list[Seat]] = field(default_factory=lambda: defaultdict(list))
    serving: dict[tuple[str, Capability], list[Seat]] = field(default_factory=lambda: defaultdict(list))
    attempts_by_run: dict[str, list[AttemptView]] = field(default_factory=lambda: defaultdict(list))
    attempts_on: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    lane_used: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    disk_taken: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    #: Host → exclusive job.
    reserved: dict[str, str] = field(default_factory=dict)
    #: Hosts that work further ahead in the order waits for.
    claimed: set[str] = field(default_factory=set)
    #: What jobs of a shape are told once none of them can be helped any more.
    answers: dict[Shape, Reason] = field(default_factory=dict)
    #: Open hosts that refuse nobody for who he is, and admit any run.
    plain: frozenset[str] = frozenset()
    #: What hosts offer, as one value for all that offer the same; and a host for each.
    kind_of: dict[str, tuple[int, ...]] = field(default_factory=dict)
    kinds: dict[tuple[int, ...], HostView] = field(default_factory=dict)
    #: Hosts may have been closed to somebody by this plan.
    closing: bool = False
    #: The host whose memory is kept for jobs of a shape, and others that want the same.
    promises: dict[Shape, str] = field(default_factory=dict)
    #: Hosts where it is known when promised memory comes free.
    due_hosts: set[str] = field(default_factory=set)

    assigns: list[Assign] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    reserves: list[Reserve] = field(default_factory=list)
    preempts: list[Preempt] = field(default_factory=list)
    failures: dict[str, Problem] = field(default_factory=dict)
    blocked_jobs: dict[str, Reason] = field(default_factory=dict)
    blocked_runs: dict[str, Reason] = field(default_factory=dict)
    _apart: dict[str, set[str]] = field(default_factory=dict)
    _room: dict[str, Room] = field(default_factory=dict)
    _rooms: Rooms | None = None
    #: Hosts whose room is to be worked out again.
    _changed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.shares = Shares(self.snapshot.queues, contended=self.waiting.contended)
        self.forecast = Forecast(self.snapshot.rates)
        self.arrivals = Arrivals(self.snapshot.models.values())
        self.failures |= self.waiting.failures
        for name, host in self.snapshot.hosts.items():
            self.budgets[name] = Budget(host.budget)
            self.largest = max(self.largest, host.budget)
            self.kind_of[name] = kind = tuple(map(id, host.runtimes.values()))
            self.kinds.setdefault(kind, host)
            if host.reserved_by is not None:
                self.reserved[name] = host.reserved_by
        self.largest = max(self.largest, 1)
        self.plain = frozenset(name for name, host in self.snapshot.hosts.items() if host.plain)
        for (name, runtime), lane in self.snapshot.lanes.items():
            self.attempts_on[name] += lane.attempts
            self.lane_used[name, runtime] = lane.without_run
        for attempt in self.snapshot.attempts:
            self.attempts_by_run[attempt.run_id].append(attempt)
        for run in self.snapshot.runs:
            if run.host in self.budgets:
                self._sit(run)

    def _sit(self, run: RunView) -> Seat:
        host = run.host or ""
        self.budgets[host].held += run.held
        if run.state == RunState.STOPPING:
            self.budgets[host].leaving += run.held
        seat = Seat(run, free=run.slots - run.used)
        seat.attempts = self.attempts_by_run.get(run.id, ())
        seat.vacating = sum(attempt.slots for attempt in seat.attempts if attempt.giving_way)
        self.seats_on[host].append(seat)
        if run.state in SERVING and run.owner_job is None:
            self.serving[run.model_id, run.capability].append(seat)
        return seat

    @property
    def limits(self) -> Limits:
        return self.waiting.limits

    # --- asking --------------------------------------------------------------------------------

    def takes_work(self, host: HostView, owner: str | None = None) -> bool:
        """Open to everyone and not reserved; or reserved for `owner`, whose work goes on while a host drains."""
        reserved_by = self.reserved.get(host.name)
        if owner is not None and reserved_by == owner:
            return host.up
        return reserved_by is None and host.open

    def kept_apart(self, host: HostView, word: str) -> bool:
        """Work with this word is at work there already, or was sent there by this plan."""
        return word in host.apart or word in self._apart.get(host.name, ())

    def room(self, host: str) -> Room:
        """What it has for a run."""
        known = self._room.get(host)
        if known is None:
            view, seats = self.snapshot.hosts[host], self.seats_on.get(host, ())
            known = self._room[host] = room_of(view, self.budgets[host], seats, self.attempts_on[host])
        return known

    @property
    def rooms(self) -> Rooms:
        """All hosts by their room."""
        if self._rooms is None:
            self._rooms = Rooms({name: self.room(name) for name in self.snapshot.hosts})
        else:
            for host in self._changed:
                self._rooms.change(host, self.room(host))
        self._changed.clear()
        return self._rooms

    def _change(self, host: str) -> None:
        self._room.pop(host, None)
        self._changed.add(host)

    # --- deciding ------------------------------------------------------------------------------

    def assign(self, job: JobView, host: str, runtime: str, seat: Seat | None = None) -> int:
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
        if job.shape.avoid is not None:
            self._apart.setdefault(host, set()).add(job.shape.avoid)
            self.closing = True
        self._change(host)
        self.limits.begin(job.shape)
        self.assigns.append(Assign(job.id, host, runtime, seat.run.id if seat else None, slots))
        return slots

    def start(self, wanted: RunView, host: str, runtime: str, size: RunSize, new: NewRun | None = None) -> Seat:
        """Place a run; its memory is held from now on, and its seat can be waited for."""
        self.starts.append(Start(new or wanted.id, host, runtime, size))
        placed = replace(
            wanted, host=host, runtime=runtime, slots=size.slots, context=size.context, held=size.need.total
        )
        self._change(host)
        return self._sit(placed)

    def stop(self, seat: Seat, reason: str) -> None:
        """End a run that is placed; its memory is on its way back."""
        if seat.stopped or seat.run.state == RunState.STOPPING or seat.run.state.final:
            return
        seat.stopped = True
        seat.free = 0
        host = seat.run.host or ""
        self.budgets[host].leaving += seat.run.held
        self._change(host)
        self.stops.append(Stop(seat.run.id, reason, placed=seat.run.state != RunState.PENDING))

    def promise(self, host: str, need: int, expected: int = 0, due: float | None = None) -> None:
        """Nobody behind takes `need` bytes of this host; see `Budget.promise`."""
        self.budgets[host].promise(need, expected, due)
        if self.budgets[host].due is None:
            self.due_hosts.discard(host)
        else:
            self.due_hosts.add(host)
        self._change(host)

    def preempt(self, attempt: AttemptView, reason: str) -> None:
        self.preempts.append(Preempt(attempt.job_id, attempt.attempt, reason))

    def reserve(self, host: str, job_id: str) -> None:
        self.reserved[host] = job_id
        self.closing = True
        self._change(host)
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
            tuple(self.preempts),
            self.shares.changed(),
            tuple(self.arrivals.decided.values()),
        )
