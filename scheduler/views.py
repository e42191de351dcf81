"""What the planner sees: frozen values, read in one go. Sizes are bytes, times are the database's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.rank import TOO_HOT
from shared.errors import Problem
from shared.runs.learned import LearnedPeak
from shared.runtimes import ModelShape, RunSpec, RuntimeInfo
from shared.units import Bytes
from shared.vocabulary import Capability, Format, Guard, RunState, Source


@dataclass(frozen=True, slots=True)
class HostView:
    """A host of the fleet."""

    name: str
    budget: int
    #: What downloads may still be given: free, less what stays free and what those at work there will still fill.
    disk_free: int
    #: Its agent was heard of lately.
    up: bool
    draining: bool = False
    cordoned: bool = False
    #: The exclusive job that has, or waits for, the whole host.
    reserved_by: str | None = None
    #: What its living workers offer, by name.
    runtimes: Mapping[str, RuntimeInfo] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Words that keep work away which does not tolerate them.
    taints: tuple[str, ...] = ()
    #: What its memory guard says: `open`, `closed` (no new runs, idle ones go) or `shedding` (busy ones go too).
    guard: Guard = Guard.OPEN
    #: How hot it is, `nominal | fair | serious | critical`; `None` when it does not say.
    thermal: str | None = None
    #: Part of its processors at work, 0 to 1; `None` when it does not say.
    load: float | None = None
    #: Why it is under maintenance, which is a drain that people explain.
    maintenance: str | None = None
    #: `label=value` words of work at it whose like is to be kept apart (`Shape.avoid` of its live attempts).
    apart: frozenset[str] = frozenset()

    @property
    def leaving(self) -> bool:
        """What it works at is finished, and its idle runs end."""
        return self.draining or self.maintenance is not None

    @property
    def open(self) -> bool:
        """Takes new work of anyone, reservations aside."""
        return self.up and not self.cordoned and not self.leaving

    @property
    def plain(self) -> bool:
        """Takes any work and any run, whoever asks: what the planner can know of most hosts at once."""
        quiet = self.guard == Guard.OPEN and self.thermal != TOO_HOT and not (self.taints or self.apart)
        return quiet and self.reserved_by is None and self.open


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model of the catalog and the hosts that have it on disk."""

    id: str
    name: str
    format: Format
    size: Bytes
    context: int | None = None
    shape: ModelShape = field(default_factory=ModelShape)
    hosts: frozenset[str] = frozenset()
    #: Hosts it is barred from, because loading it brought them or itself down, with the reason.
    quarantined: Mapping[str, str] = field(default_factory=dict)
    #: What was measured of its runs, which corrects the estimate.
    learned: tuple[LearnedPeak, ...] = ()
    #: What a download would name it by, exactly; `None` when it is not to be fetched to other hosts.
    reference: str | None = None
    #: Hosts that it is being fetched to, and those that it was tried to be fetched to in the last hour.
    coming: frozenset[str] = frozenset()
    tried: frozenset[str] = frozenset()
    #: Of `coming`, where the download still waits: what it will take is not out of the host's `disk_free` yet.
    queued: frozenset[str] = frozenset()

    def on(self, host: str) -> bool:
        """Can be loaded there; the echo model needs no disk."""
        return self.format == Format.ECHO or host in self.hosts


@dataclass(frozen=True, slots=True)
class RunView:
    """A run that lives, or is over but still holds memory."""

    id: str
    state: RunState
    model_id: str
    model: str
    capability: Capability
    spec: RunSpec
    rank: int
    created_at: float
    host: str | None = None
    runtime: str | None = None
    wanted_host: str | None = None
    wanted_runtime: str | None = None
    slots: int = 1
    context: int = 0
    held: int = 0
    #: Live attempts on it, and the slots they use together.
    attempts: int = 0
    used: int = 0
    pinned: bool = False
    keep_alive: float = 300.0
    last_used_at: float = 0.0
    #: When it had loaded; `None` while it has not.
    ready_at: float | None = None
    #: The gateway has requests on it.
    streaming: bool = False
    #: Slots that people take who wait for an answer, and one for the next of them.
    attended: int = 0
    owner_job: str | None = None
    #: The owner is at work; `True` when there is none.
    owner_live: bool = True

    @property
    def busy(self) -> bool:
        return self.attempts > 0 or self.streaming

    @property
    def crowded(self) -> bool:
        """More people ask it at once than it has slots."""
        return self.state == RunState.READY and self.attended - 1 > self.slots

    @property
    def evictable(self) -> bool:
        """Loaded, and nobody uses it, owns it or wants it kept."""
        return self.state == RunState.READY and not (self.busy or self.pinned or self.owner_job)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What waiting jobs ask for. Jobs that share this object get the same answer, worked out once.

    It is compared by identity, which is what thousands of look-ups a second can afford.
    """

    rank: int
    capability: Capability
    model_id: str | None = None
    model: str | None = None
    runtime: str | None = None
    host: str | None = None
    spec: RunSpec = field(default_factory=RunSpec)
    disk: int = 0
    exclusive: bool = False
    #: Model ids an exclusive job will load in turn, each with its runtime when that matters.
    acquires: tuple[tuple[str, str | None], ...] = ()
    kind: str = ""
    #: The part of the queue whose fair share it uses: `key:<id>` or `label:<name>=<value>`.
    queue: str = "key:"
    #: Other parts it belongs to whose limit or pause counts: those of its key and labels that have a row.
    parts: tuple[str, ...] = ()
    #: Labels that a host must have.
    selector: tuple[tuple[str, str], ...] = ()
    #: Taints that it bears.
    tolerations: tuple[str, ...] = ()
    #: `label=value`: it keeps off hosts where work with the same word is.
    avoid: str | None = None
    #: Its attempts may be ended half-way for more urgent work, and go on later where they stopped.
    preemptible: bool = False


@dataclass(frozen=True, slots=True)
class JobView:
    """A job that waits and may be assigned now."""

    id: str
    queued_at: float
    slots: int
    shape: Shape
    #: It fails when it has not begun by then.
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """A live attempt that holds slots of a run."""

    job_id: str
    attempt: int
    run_id: str
    slots: int
    rank: int
    started_at: float
    #: See `Shape.preemptible`.
    preemptible: bool = False
    #: It was told to give way, and will soon.
    giving_way: bool = False
    #: Times that its job gave way before.
    preemptions: int = 0


@dataclass(frozen=True, slots=True)
class QueueView:
    """A part of the queue: `all`, `kind:…`, `class:…`, `key:…` or `label:…`; see `shared.tables.Queue`."""

    name: str
    weight: float = 1.0
    stride_pass: float = 0.0
    #: Jobs of it that may be at work at the same time; `None`: any number.
    max_running: int | None = None
    #: Jobs of it that are assigned or running.
    running: int = 0
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """Measured seconds of a model on a runtime, `None` while unknown."""

    #: From the start of a job to its end, on the median.
    job: float | None = None
    #: From the start of a run until it is ready.
    load: float | None = None


@dataclass(frozen=True, slots=True)
class LoadView:
    """How an earlier run of a model ended; `problem` is `None` when it had become ready."""

    model_id: str
    runtime: str
    ended_at: float
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class LaneView:
    """Attempts that live on a lane: those on runs, and those that need none."""

    attempts: int = 0
    without_run: int = 0


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a waiting download was tried before, and left what had come."""

    host: str
    #: It ended there because the disk was full.
    full: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a plan depends on."""

    now: float
    hosts: Mapping[str, HostView]
    runs: tuple[RunView, ...] = ()
    jobs: tuple[JobView, ...] = ()
    models: Mapping[str, ModelView] = field(default_factory=dict)
    #: By host and runtime.
    lanes: Mapping[tuple[str, str], LaneView] = field(default_factory=dict)
    #: Ended loads of the models that jobs wait for, newest first.
    loads: tuple[LoadView, ...] = ()
    #: Live attempts on runs, as far as preemption or an estimate needs them.
    attempts: tuple[AttemptView, ...] = ()
    #: Parts of the queue that have a row, by name.
    queues: Mapping[str, QueueView] = field(default_factory=dict)
    #: By model id and runtime.
    rates: Mapping[tuple[str, str], Rate] = field(default_factory=dict)
    #: By id, those of the waiting jobs that are downloads and had an attempt before.
    begun: Mapping[str, Begun] = field(default_factory=dict)
    #: Measured bytes per second of what came to hosts lately, by host and kind of source.
    transfers: Mapping[tuple[str, Source], float] = field(default_factory=dict)
