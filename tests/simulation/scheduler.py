"""A scheduler process: leads or waits; leading, it cares for what is due, thinks and acts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from sqlalchemy.orm import Session

from shared.errors import StaleTransition
from shared.leader import Fence, lead, resign
from tests.simulation.lanes import Message
from tests.simulation.loop import Action
from tests.simulation.mind import Care, Mind, Step
from tests.simulation.world import SETTINGS, Lost, World


class Scheduler:
    """One of two."""

    def __init__(self, world: World, mind: Callable[[], Mind]) -> None:
        self._world, self._new_mind = world, mind
        self.restart()

    def restart(self) -> None:
        """A new process, without anything the old one knew."""
        self._id = self._world.name("scheduler")
        self._mind = self._new_mind()
        self._paused_until = 0.0
        self._fence: Fence | None = None
        self._soon(self._world.between(0.1, 2.0), self._tick)

    def end(self) -> None:
        """Stopped politely it lets the other one lead at once; killed it does not. Another process takes its place."""
        if self._fence is not None and self._world.chance("resigned", 0.7):
            with suppress(Lost):
                self._world.call(self._id, "resign", partial(resign, fence=self._fence))
        self.restart()

    def pause(self, seconds: float) -> None:
        self._paused_until = self._world.loop.now + seconds

    def _soon(self, seconds: float, action: Action) -> None:
        """Later, in this process only; asleep it acts on waking up, believing that no time has passed."""
        process = self._id

        def act() -> None:
            if self._id == process and self._paused_until > self._world.loop.now:
                self._world.loop.after(self._paused_until - self._world.loop.now + 0.001, act)
            elif self._id == process:
                action()

        self._world.loop.after(seconds, act)

    def _tick(self) -> None:
        try:
            self._fence = self._lead()
        except Lost:
            self._fence = None
            self._mind.forget()
        patience = self._world.between(0.6, 1.4) if self._fence else self._world.between(1.0, 4.0)
        self._soon(2 * patience if self._world.calm else patience, self._tick)
        if self._fence is not None:
            self._think(self._fence)

    def _lead(self) -> Fence | None:
        """Take or keep the lead; with it, now and then, give up what had its time and send again what nobody took."""
        at, careful = self._world.loop.now, self._world.random.random() < 0.5

        def work(session: Session) -> tuple[Fence | None, Care]:
            fence = lead(session, self._id, SETTINGS.leader_seconds)
            return fence, self._mind.care(session, fence) if fence and careful else Care([], [], [])

        def saw(answer: tuple[Fence | None, Care]) -> None:
            fence, care = answer
            if fence is not None:
                self._world.ledger.led(fence)
                self._world.ledger.scheduled(fence, at)
                self._world.ledger.given_up(care.attempts, care.runs, at)

        fence, care = self._world.call(self._id, "lead", work, saw)
        self._world.lanes.send(care.messages)
        return fence

    def _think(self, fence: Fence) -> None:
        steps = self._mind.think()
        if self._world.chance("slow plan", self._world.faults.slow_plan):
            self.pause(self._world.between(1.0, 9.0))
        for step in steps:
            self._soon(0.01, partial(self._act, fence, step))

    def _act(self, fence: Fence, step: Step) -> None:
        """One step; told nothing, it tries again or goes on without knowing."""
        at = self._world.loop.now

        def saw(_: list[Message]) -> None:
            self._world.ledger.scheduled(fence, at)
            if step.name != "shed":
                self._world.ledger.evicted()

        try:
            messages = self._world.call(self._id, step.name, lambda session: step.work(session, fence), saw)
        except Lost:
            self._mind.forget()
            if self._mind.stubborn:
                self._soon(self._world.between(0.1, 3.0), partial(self._act, fence, step))
        except StaleTransition:
            self._mind.forget()
        else:
            self._world.lanes.send(messages)
