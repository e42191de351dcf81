"""What the runs of a worker may wire: each asks before it starts, the agent decides for the whole host."""

from __future__ import annotations

import threading
from collections.abc import Callable

from shared.protocol import RunRef
from shared.runtimes import LaunchPlan
from workers.launch.wired import VARIABLE
from workers.pipe import Wired, WiringWish

#: Seconds after which an agent that does not answer means no.
_PATIENCE = 10.0


class WiringDesk:
    """Wishes that wait for an answer. `on_wish` is told when there is one, so that the agent hears it soon."""

    def __init__(self, on_wish: Callable[[], None]) -> None:
        self._on_wish = on_wish
        self._wishes: dict[tuple[str, int], WiringWish] = {}
        self._answers: dict[tuple[str, int], int] = {}
        self._changed = threading.Condition()

    def allowed(self, plan: LaunchPlan, ref: RunRef, patience: float = _PATIENCE) -> LaunchPlan:
        """The plan with what its process may wire. Blocks until the agent has decided, at most `patience` seconds.

        An engine that wires nothing is not asked about, and without an answer nothing is wired.
        """
        if not plan.weights:
            return plan
        key = (ref.run_id, ref.generation)
        with self._changed:
            self._wishes[key] = WiringWish(run_id=ref.run_id, generation=ref.generation, weights=plan.weights)
        self._on_wish()
        with self._changed:
            self._changed.wait_for(lambda: key in self._answers, patience)
            del self._wishes[key]
            wired = self._answers.pop(key, 0)
        return plan.model_copy(update={"environment": plan.environment | {VARIABLE: str(wired)}})

    def wishes(self) -> list[WiringWish]:
        """What the agent has not answered yet."""
        with self._changed:
            return [wish for key, wish in self._wishes.items() if key not in self._answers]

    def answer(self, said: Wired) -> None:
        """The agent has decided; an answer that nobody waits for is forgotten."""
        with self._changed:
            if (said.run_id, said.generation) in self._wishes:
                self._answers[said.run_id, said.generation] = said.wired
                self._changed.notify_all()
