"""What a scheduler does while it leads: two minds, one of them the product's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.orm import Session

from scheduler.apply import Messages, apply
from scheduler.decisions import MEMORY_GUARD
from scheduler.patience import Patience
from scheduler.plan import plan
from scheduler.reading.snapshot import Reader
from scheduler.rescue import heal
from shared.jobs import state as jobs
from shared.jobs.reserve import release_stale, reserve
from shared.jobs.state import Dispatched, Timers
from shared.leader import Fence
from shared.protocol import AttemptRef
from shared.runs import state as runs
from shared.runs.state import RunMessage
from shared.tables import Run
from shared.vocabulary import Capability
from tests.simulation.catalog import Catalog
from tests.simulation.lanes import Message
from tests.simulation.planner import Plan, Planner
from tests.simulation.world import SETTINGS, World

TIMERS = Timers(lease=SETTINGS.lease_seconds, claim=SETTINGS.claim_seconds)


@dataclass(frozen=True)
class Step:
    """One transaction of a plan, and what to send after it."""

    name: str
    work: Callable[[Session, Fence], list[Message]]


@dataclass(frozen=True)
class Care:
    """What was given up because its time was over, and what to send again."""

    attempts: list[AttemptRef]
    runs: list[str]
    messages: list[Message]


class Mind(Protocol):
    """A way to schedule; a new one for each process."""

    #: Does a step that was not answered come again as it was?
    stubborn: bool

    def care(self, session: Session, fence: Fence) -> Care:
        """Part of the transaction that takes or keeps the lead."""

    def think(self) -> list[Step]:
        """Look at everything, and decide."""

    def forget(self) -> None:
        """Something may or may not have been done."""


class WildMind:
    """Sensible at most times; carries out its plans piece by piece, and again when it hears no answer."""

    stubborn = True

    def __init__(self, world: World, catalog: Catalog) -> None:
        self._world, self._catalog = world, catalog

    def care(self, session: Session, fence: Fence) -> Care:
        lost = jobs.rescue(session, fence, SETTINGS.max_crashes)
        silent = runs.rescue(session, fence)
        release_stale(session, fence)
        return Care(lost, silent, [*jobs.due_messages(session, fence), *runs.due_messages(session, fence)])

    def think(self) -> list[Step]:
        wish = Planner(self._world, self._catalog).plan()
        steps = [
            (wish.place, Step("place", lambda session, fence: _place(session, fence, wish))),
            (wish.assign, Step("assign", lambda session, fence: _assign(session, fence, wish))),
            (wish.reserve, Step("reserve", lambda session, fence: _reserve(session, fence, wish))),
            (wish.evict, Step("evict", lambda session, fence: [*runs.evict(session, fence, wish.evict, "room")])),
            (wish.preempt, Step("preempt", lambda session, fence: _preempt(session, fence, wish))),
            (wish.shed, Step("shed", lambda session, fence: [*runs.shed(session, fence, wish.shed, MEMORY_GUARD)])),
        ]
        return [step for wanted, step in steps if wanted]

    def forget(self) -> None:
        """It remembers nothing between two thoughts."""


class RealMind:
    """The scheduler of the product: its own reading, planning, applying and healing."""

    stubborn = False

    def __init__(self, world: World) -> None:
        self._world = world
        self._reader = Reader()
        self._patience = Patience(SETTINGS.lease_seconds)

    def care(self, session: Session, fence: Fence) -> Care:
        return Care([], [], _messages(heal(session, fence, self._patience, SETTINGS.max_crashes)))

    def think(self) -> list[Step]:
        with self._world.stage.database.read() as session:
            decided = plan(self._reader.read(session, whole=True))
        if not decided.acts:
            return []
        return [Step("apply", lambda session, fence: _messages(apply(session, fence, decided, TIMERS)))]

    def forget(self) -> None:
        self._reader.waiting.clear()


def _place(session: Session, fence: Fence, wish: Plan) -> list[Message]:
    rows = [
        {"id": run_id, "model_id": m.id, "model": m.id, "capability": Capability.GENERATE, "memory_need": m.memory}
        for run_id, m in wish.make
        if session.get(Run, run_id) is None
    ]
    if rows:
        runs.create(session, rows)
    return [*runs.place(session, fence, wish.place, TIMERS)]


def _assign(session: Session, fence: Fence, wish: Plan) -> list[Message]:
    return [*jobs.assign(session, fence, wish.assign, TIMERS)]


def _reserve(session: Session, fence: Fence, wish: Plan) -> list[Message]:
    for host, job_id in wish.reserve:
        reserve(session, fence, host, job_id)
    return []


def _preempt(session: Session, fence: Fence, wish: Plan) -> list[Message]:
    jobs.preempt(session, fence, wish.preempt, "room")
    return []


def _messages(by_lane: Messages) -> list[Message]:
    return [
        Dispatched(hint.job_id, hint.attempt, lane)
        if isinstance(hint, AttemptRef)
        else RunMessage(hint.run_id, hint.generation, lane)
        for lane, hints in by_lane.items()
        for hint in hints
    ]
