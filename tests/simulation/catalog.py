"""What the jobs of a world are like."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from shared.runtimes import RuntimeInfo
from shared.tables import Model as Row
from shared.vocabulary import Capability, Format, Priority
from tests.simulation.stage import Stage


@dataclass(frozen=True)
class Model:
    """A model by the memory that a run of it needs."""

    id: str
    memory: int
    slots: int


@dataclass(frozen=True)
class Wish:
    """A job: on a model, or a download that needs none."""

    id: str
    model: Model | None
    slots: int
    pieces: int
    #: It wants a host for itself, and no run.
    exclusive: bool
    #: Seconds after which it may begin.
    not_before: float
    priority: Priority = Priority.NORMAL
    preemptible: bool = False


RUNTIMES = (
    RuntimeInfo(name="llm", version="1", formats=(Format.ECHO,), capabilities=(Capability.GENERATE,)),
    RuntimeInfo(name="store", version="1", formats=(), capabilities=(Capability.STORE,), lane_slots=2),
)
MODELS = (Model("small", 2, 3), Model("middle", 4, 2), Model("large", 7, 1))


class Catalog:
    """All jobs of a world, known beforehand."""

    def __init__(self, random: Random, jobs: int) -> None:
        self.wishes = {wish.id: wish for wish in (_wish(random, number) for number in range(jobs))}

    @staticmethod
    def register(stage: Stage) -> None:
        """The models, scripted ones that every host can load."""
        with stage.database.write() as session:
            for model in MODELS:
                row = Row(
                    id=model.id, name=model.id, provider="local", repo=model.id, format=Format.ECHO, size=0,
                    capabilities=[Capability.GENERATE], created_at=0.0,
                )  # fmt: skip
                session.add(row)

    def pieces(self, job_id: str) -> int:
        return self.wishes[job_id].pieces

    def row(self, job_id: str, now: float) -> dict[str, Any]:
        """A row to submit."""
        wish = self.wishes[job_id]
        return {
            "id": job_id,
            "kind": "inference" if wish.model else "download",
            "params": {},
            "capability": Capability.GENERATE if wish.model else Capability.STORE,
            "model_id": wish.model.id if wish.model else None,
            "model": wish.model.id if wish.model else None,
            "slots": wish.slots,
            "spec": {"slots": wish.model.slots, "params": {"memory": wish.model.memory}} if wish.model else {},
            "exclusive": wish.exclusive,
            "priority": wish.priority,
            "rank": wish.priority.rank,
            "preemptible": wish.preemptible,
            "not_before": now + wish.not_before if wish.not_before else None,
        }


def _wish(random: Random, number: int) -> Wish:
    exclusive = random.random() < 0.12
    model = None if exclusive else random.choice([*MODELS, None])
    slots = random.randint(1, model.slots) if model else 1
    not_before = random.uniform(2.0, 12.0) if random.random() < 0.15 else 0.0
    pieces = random.choice((0, 1, 2, 3, 5, 9))
    priority = random.choice((Priority.INTERACTIVE, Priority.NORMAL, Priority.BATCH))
    preemptible = priority == Priority.BATCH and not exclusive
    return Wish(f"job{number:02}", model, slots, pieces, exclusive, not_before, priority, preemptible)
