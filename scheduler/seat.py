"""A run while a plan is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.views import AttemptView, RunView
from shared.vocabulary import RunState


@dataclass(slots=True, eq=False)
class Seat:
    """A run on a host: `free` slots now when it is ready, else as soon as it is."""

    run: RunView
    free: int
    #: It was given work, or told to stop, by this plan.
    taken: bool = False
    stopped: bool = False
    #: Its memory is promised to somebody, once its work is done.
    promised: bool = False
    #: It takes no more work, so that somebody who has waited too long gets its memory.
    yielding: bool = False
    #: Its live attempts, as far as they are known.
    attempts: Sequence[AttemptView] = ()
    #: Slots that attempts which give way will leave, and nobody counts on yet.
    vacating: int = 0

    @property
    def ready(self) -> bool:
        return self.run.state == RunState.READY

    @property
    def evictable(self) -> bool:
        """Nobody uses it, owns it or wants it kept, now or later in this plan."""
        return self.run.evictable and not (self.taken or self.stopped or self.promised)

    @property
    def drainable(self) -> bool:
        """It can be let run dry: what it works at ends, and nobody wants it kept."""
        run = self.run
        settled = run.pinned or run.owner_job or self.stopped or self.promised
        return run.state == RunState.READY and not settled
