"""What a plan decides. Each is tried by `apply`, whose guards have the last word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.reasons import Reason
from shared.errors import Problem
from shared.runs.need import RunSize
from shared.runtimes import RunSpec
from shared.vocabulary import Capability

#: Reason of a stop that takes a run from under its work, whose attempts are handed back.
MEMORY_GUARD = "memory guard"


@dataclass(frozen=True, slots=True)
class Assign:
    """Give a job to a lane, with `slots` of a run when it needs one."""

    job_id: str
    host: str
    runtime: str
    run_id: str | None
    slots: int


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that waiting jobs need and nobody has asked for."""

    model_id: str
    model: str
    capability: Capability
    spec: RunSpec
    rank: int
    wanted_runtime: str | None
    wanted_host: str | None


@dataclass(frozen=True, slots=True)
class Start:
    """Place a run: one that is pending, by id, or a new one."""

    run: str | NewRun
    host: str
    runtime: str
    size: RunSize


@dataclass(frozen=True, slots=True)
class Stop:
    """End a run, for a reason that people read. Only one that says `MEMORY_GUARD` may be at work."""

    run_id: str
    reason: str
    #: Its worker may have a process for it; otherwise it just ends.
    placed: bool = True


@dataclass(frozen=True, slots=True)
class Reserve:
    """Keep a whole host for an exclusive job."""

    host: str
    job_id: str


@dataclass(frozen=True, slots=True)
class Preempt:
    """Ask a running attempt to give way: it keeps what it has done, and its job is queued again."""

    job_id: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Bring a model to the disk of a host that lacks it, as urgently as whoever waits for it."""

    model_id: str
    model: str
    host: str
    #: What the download names it by.
    reference: str
    rank: int
    #: Taints of the host that whoever waits tolerates, so that the download does too.
    tolerations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All decisions of one look at everything."""

    assigns: tuple[Assign, ...]
    starts: tuple[Start, ...]
    stops: tuple[Stop, ...]
    reserves: tuple[Reserve, ...]
    #: Jobs that no attempt could help.
    failures: Mapping[str, Problem]
    #: Why everything else waits.
    blocked_jobs: Mapping[str, Reason]
    blocked_runs: Mapping[str, Reason]
    preempts: tuple[Preempt, ...] = ()
    #: New stride numbers of parts of the queue, by name; rows that lack are made.
    passes: Mapping[str, float] = field(default_factory=dict)
    fetches: tuple[Fetch, ...] = ()

    @property
    def acts(self) -> bool:
        """Changes something at once, rather than only explaining; fetches are seen to after a whole look."""
        decided = (self.assigns, self.starts, self.stops, self.reserves, self.preempts, self.failures)
        return any(decided)
