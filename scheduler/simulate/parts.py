"""The moving parts of the world: hosts, runs and jobs, and what changes about them."""

from __future__ import annotations

from dataclasses import dataclass, field

from scheduler.simulate.ledger import Party
from scheduler.simulate.trace import TraceHost, TraceJob, TraceModel
from scheduler.views import JobView
from shared.runtimes import RunSpec
from shared.vocabulary import RunState


@dataclass(eq=False, slots=True)
class SimHost:
    """`alive` is what is true, `up` what is known."""

    trace: TraceHost
    alive: bool = True
    up: bool = True
    held: int = 0


@dataclass(eq=False, slots=True)
class SimJob:
    """A job from its arrival to its end."""

    trace: TraceJob
    view: JobView
    #: Counts attempts; what an earlier one still sends is ignored.
    attempt: int = 0
    run: SimRun | None = None
    #: When the attempt began, and the seconds of work that earlier ones kept.
    began_at: float = 0.0
    kept: float = 0.0
    #: Of the host it ran on last.
    speed: float = 1.0
    ended_at: float | None = None
    failed: bool = False
    preemptions: int = 0

    @property
    def id(self) -> str:
        return self.view.id

    @property
    def party(self) -> Party:
        return self.view.shape.rank, self.trace.key, self.trace.model

    @property
    def waited(self) -> float:
        """Seconds beyond those of its own work, which is what somebody notices."""
        return max(0.0, (self.ended_at or 0.0) - self.trace.at - self.trace.seconds / self.speed)

    def keep(self, now: float, speed: float) -> None:
        """The attempt ends before its time: what is kept is what the last checkpoint had."""
        if self.trace.checkpoint is not None:
            done = self.kept + (now - self.began_at) * speed
            self.kept = done // self.trace.checkpoint * self.trace.checkpoint


@dataclass(eq=False, slots=True)
class SimRun:
    """A loaded model, from the decision to load it until its memory is back."""

    id: str
    model: TraceModel
    host: SimHost
    spec: RunSpec
    rank: int
    created_at: float
    slots: int
    held: int
    state: RunState = RunState.STARTING
    last_used_at: float = 0.0
    ready_at: float | None = None
    jobs: dict[str, SimJob] = field(default_factory=dict)
