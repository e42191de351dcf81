"""Redis as it may be at its worst: it loses, doubles, delays, is wiped, and remembers what it should have forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.jobs.state import Dispatched
from shared.runs.state import RunMessage

if TYPE_CHECKING:
    from tests.simulation.world import World

Message = Dispatched | RunMessage
Consumer = Callable[[Message], None]


@dataclass(frozen=True)
class Manners:
    """How likely it is that a message meets each fate."""

    lost: float = 0.05
    twice: float = 0.08
    late: float = 0.05


class Lanes:
    """One queue for each lane; a message waits there until a worker listens."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: dict[str, list[Message]] = {}
        self._listening: dict[str, Consumer] = {}
        self._life = 0
        self._old: list[Message] = []

    def send(self, messages: list[Message]) -> None:
        for message in messages:
            self._old.append(message)
            if self._world.chance("lost", self._world.faults.messages.lost):
                continue
            copies = 2 if self._world.chance("twice", self._world.faults.messages.twice) else 1
            for _ in range(copies):
                late = self._world.chance("late", self._world.faults.messages.late)
                delay = self._world.between(1.0, 15.0) if late else self._world.between(0.001, 0.02)
                self._world.loop.after(delay, self._arrival(message, self._life))

    def listen(self, lane: str, consumer: Consumer) -> None:
        """A worker takes what waits and what comes."""
        self._listening[lane] = consumer
        for message in self._waiting.pop(lane, []):
            consumer(message)

    def leave(self, lane: str, consumer: Consumer) -> None:
        """It listens no more; another one that took its place does."""
        if self._listening.get(lane) == consumer:
            del self._listening[lane]

    def wipe(self) -> None:
        """Everything that waits or is on its way is gone."""
        self._waiting.clear()
        self._life += 1

    def replay(self) -> None:
        """Redis comes back from an old copy: messages that were handled long ago appear again."""
        self._world.random.shuffle(self._old)
        for message in self._old[:20]:
            self._world.loop.after(self._world.between(0.0, 1.0), self._arrival(message, self._life))

    def _arrival(self, message: Message, life: int) -> Callable[[], None]:
        def arrive() -> None:
            if life != self._life:
                return
            consumer = self._listening.get(message.lane)
            if consumer is None:
                self._waiting.setdefault(message.lane, []).append(message)
            else:
                consumer(message)

        return arrive
