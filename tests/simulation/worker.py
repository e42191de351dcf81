"""A worker process: it may be killed or paused between any two of its actions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from shared.jobs.state import Dispatched
from shared.lane import lane_name
from shared.protocol import AttemptRef, RunRef
from tests.simulation.attempts import Attempts
from tests.simulation.lanes import Message
from tests.simulation.loads import Loads
from tests.simulation.loop import Action
from tests.simulation.outbox import Outbox
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.machine import Machine


class Worker:
    """One process of one lane."""

    def __init__(self, world: World, machine: Machine, runtime: str) -> None:
        self.world, self.machine, self.runtime = world, machine, runtime
        self.id = world.name("worker")
        self.alive = True
        self.paused_until = 0.0
        self.outbox = Outbox(self)
        self.attempts = Attempts(self)
        self.loads = Loads(self)
        self._lane = lane_name(machine.name, runtime)
        world.lanes.listen(self._lane, self._on_message)

    def soon(self, seconds: float, action: Action) -> None:
        """Do this later, if it lives then; asleep it does it on waking up."""

        def act() -> None:
            if self.alive and self.paused_until > self.world.loop.now:
                self.world.loop.after(self.paused_until - self.world.loop.now + 0.001, act)
            elif self.alive:
                action()

        self.world.loop.after(seconds, act)

    def pause(self, seconds: float) -> None:
        self.paused_until = max(self.paused_until, self.world.loop.now + seconds)

    def die(self) -> None:
        """At once; its run processes live on until somebody reaps them."""
        self.alive = False
        self.world.lanes.leave(self._lane, self._on_message)

    def hand_back(self) -> None:
        """Stop politely: what is under way is released, runs are ended, then it exits."""
        self.world.lanes.leave(self._lane, self._on_message)
        self.attempts.release()
        self.loads.end_all()
        self.soon(self.world.between(0.1, 1.0), self.die)

    def _on_message(self, message: Message) -> None:
        if isinstance(message, Dispatched):
            ref = AttemptRef(job_id=message.job_id, attempt=message.attempt)
            self.soon(0.0, partial(self.attempts.claim, ref))
        else:
            run = RunRef(run_id=message.run_id, generation=message.generation)
            self.soon(0.0, partial(self.loads.tend, run))
