"""What the planner sees: frozen values, read in one go. Sizes are bytes, times are the database's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.errors import Problem
from shared.runtimes import ModelShape, RunSpec, RuntimeInfo
from shared.units import Bytes
from shared.vocabulary import Capability, Format, RunState


@dataclass(frozen=True, slots=True)
class HostView:
    """A host of the fleet."""

    name: str
    budget: int
    disk_free: int
    #: Its agent was heard of lately.
    up: bool
    draining: bool = False
    cordoned: bool = False
    #: The exclusive job that has, or waits for, the whole host.
    reserved_by: str | None = None
    #: What its living workers offer, by name.
    runtimes: Mapping[str, RuntimeInfo] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Takes new work of anyone, reservations aside."""
        return self.up and not self.draining and not self.cordoned


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
    #: The gateway has requests on it.
    streaming: bool = False
    owner_job: str | None = None
    #: The owner is at work; `True` when there is none.
    owner_live: bool = True

    @property
    def busy(self) -> bool:
        return self.attempts > 0 or self.streaming

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


@dataclass(frozen=True, slots=True)
class JobView:
    """A job that waits and may be assigned now."""

    id: str
    queued_at: float
    slots: int
    shape: Shape


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
