"""A scheduler process: leads or waits, looks after what is due, plans and applies."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from sqlalchemy.orm import Session

from shared.errors import StaleTransition
from shared.jobs import state as jobs
from shared.jobs.reserve import release_stale, reserve
from shared.jobs.state import Dispatched, Timers
from shared.leader import Fence, lead, resign
from shared.protocol import AttemptRef
from shared.runs import state as runs
from shared.runs.state import RunMessage
from shared.vocabulary import Capability
from tests.simulation.catalog import Catalog
from tests.simulation.lanes import Message
from tests.simulation.planner import Plan, Planner
from tests.simulation.world import SETTINGS, Lost, World

_TIMERS = Timers(lease=SETTINGS.lease_seconds, claim=SETTINGS.claim_seconds)

Due = tuple[list[AttemptRef], list[str], list[Message]]


class Scheduler:
    """One of two."""

    def __init__(self, world: World, catalog: Catalog) -> None:
        self.world, self.catalog = world, catalog
        self.id = ""
        self.restart()

    def restart(self) -> None:
        """A new process, without anything the old one knew."""
        self.id = self.world.name("scheduler")
        self.paused_until = 0.0
        self._fence: Fence | None = None
        self._soon(self.world.between(0.1, 2.0), self._tick)

    def end(self) -> None:
        """Stopped politely it lets the other one lead at once; killed it does not. Another process takes its place."""
        if self._fence is not None and self.world.chance("resigned", 0.7):
            with suppress(Lost):
                self.world.call(self.id, "resign", partial(resign, fence=self._fence))
        self.restart()

    def pause(self, seconds: float) -> None:
        self.paused_until = self.world.loop.now + seconds

    def _soon(self, seconds: float, action: Callable[[], None]) -> None:
        """Later, in this process only; asleep it acts on waking up, believing that no time has passed."""
        process = self.id

        def act() -> None:
            if self.id == process and self.paused_until > self.world.loop.now:
                self.world.loop.after(self.paused_until - self.world.loop.now + 0.001, act)
            elif self.id == process:
                action()

        self.world.loop.after(seconds, act)

    def _tick(self) -> None:
        try:
            self._fence = self._lead()
        except Lost:
            self._fence = None
        patience = self.world.between(0.6, 1.4) if self._fence else self.world.between(1.0, 4.0)
        self._soon(2 * patience if self.world.calm else patience, self._tick)
        if self._fence is not None:
            self._think(self._fence)

    def _lead(self) -> Fence | None:
        """Take or keep the lead; with it, now and then, give up what had its time and send again what nobody took."""
        at, thorough = self.world.loop.now, self.world.random.random() < 0.5

        def work(session: Session) -> tuple[Fence | None, Due]:
            fence = lead(session, self.id, SETTINGS.leader_seconds)
            return fence, self._look_after(session, fence) if fence and thorough else ([], [], [])

        def saw(answer: tuple[Fence | None, Due]) -> None:
            fence, (attempts, silent, _) = answer
            if fence is not None:
                self.world.ledger.led(fence)
                self.world.ledger.scheduled(fence, at)
                self.world.ledger.rescued(attempts, at)
                self.world.ledger.rescued_runs(silent, at)

        fence, (_, _, messages) = self.world.call(self.id, "lead", work, saw)
        self.world.lanes.send(messages)
        return fence

    @staticmethod
    def _look_after(session: Session, fence: Fence) -> Due:
        lost = jobs.rescue(session, fence, SETTINGS.max_crashes)
        silent = runs.rescue(session, fence)
        release_stale(session, fence)
        return lost, silent, [*jobs.due_messages(session, fence), *runs.due_messages(session, fence)]

    def _think(self, fence: Fence) -> None:
        plan = Planner(self.world, self.catalog).plan()
        if self.world.chance("slow plan", self.world.faults.slow_plan):
            self.pause(self.world.between(1.0, 9.0))
        self._soon(0.01, partial(self._apply, fence, plan))

    def _apply(self, fence: Fence, plan: Plan) -> None:
        """Step by step; told nothing, it tries a step again or goes on without knowing."""
        steps: list[tuple[str, bool, Callable[[Session], list[Dispatched] | list[RunMessage]]]] = [
            ("place", bool(plan.place), lambda session: _place(session, fence, plan)),
            ("assign", bool(plan.assign), lambda session: list(jobs.assign(session, fence, plan.assign, _TIMERS))),
            ("reserve", bool(plan.reserve), lambda session: _reserve(session, fence, plan)),
            ("evict", bool(plan.evict), lambda session: list(runs.evict(session, fence, plan.evict, "room"))),
        ]
        for name, wanted, work in steps:
            if wanted:
                self._step(fence, name, work)

    def _step(self, fence: Fence, name: str, work: Callable[[Session], list[Dispatched] | list[RunMessage]]) -> None:
        at = self.world.loop.now

        def saw(messages: list[Dispatched] | list[RunMessage]) -> None:
            self.world.ledger.scheduled(fence, at)
            if name == "evict":
                self.world.ledger.evicted(message.run_id for message in messages if isinstance(message, RunMessage))

        try:
            self.world.lanes.send([*self.world.call(self.id, name, work, saw)])
        except Lost:
            self._soon(self.world.between(0.1, 3.0), partial(self._step, fence, name, work))
        except StaleTransition:
            return


def _place(session: Session, fence: Fence, plan: Plan) -> list[RunMessage]:
    if plan.make:
        rows = [
            {"id": run_id, "model_id": m.id, "model": m.id, "capability": Capability.GENERATE, "memory_need": m.memory}
            for run_id, m in plan.make
            if not _exists(session, run_id)
        ]
        if rows:
            runs.create(session, rows)
    return runs.place(session, fence, plan.place, _TIMERS)


def _reserve(session: Session, fence: Fence, plan: Plan) -> list[RunMessage]:
    for host, job_id in plan.reserve:
        reserve(session, fence, host, job_id)
    return []


def _exists(session: Session, run_id: str) -> bool:
    from shared.tables import Run

    return session.get(Run, run_id) is not None
