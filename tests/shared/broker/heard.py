"""What a lane's worker was called with."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition


class Heard:
    """Collects callbacks; `then` runs inside each one, after it was noted."""

    def __init__(self, then: Callable[[str], object] = lambda _: None) -> None:
        self.executes: list[tuple[str, int]] = []
        self.tends: list[tuple[str, int]] = []
        self._then = then
        self._changed = Condition()

    def execute(self, job_id: str, attempt: int) -> None:
        self._note(self.executes, job_id, attempt)

    def tend(self, run_id: str, generation: int) -> None:
        self._note(self.tends, run_id, generation)

    def wait(self, count: int, within: float = 60.0) -> None:
        """Return once there were `count` callbacks of either sort; fail when there are too few in time."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.executes) + len(self.tends) >= count, within)
        assert enough, f"heard {len(self.executes) + len(self.tends)} of {count} within {within} s"

    def _note(self, calls: list[tuple[str, int]], name: str, number: int) -> None:
        with self._changed:
            calls.append((name, number))
            self._changed.notify_all()
        self._then(name)
