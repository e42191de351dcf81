"""Parts of the queue that are paused, or have as many jobs at work as they may."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from scheduler.reasons import Code, Reason
from scheduler.views import QueueView, Shape
from shared.vocabulary import Priority

_PRIORITIES = tuple(Priority)


class Limits:
    """Jobs at work by part of the queue, while a plan is made."""

    def __init__(self, queues: Mapping[str, QueueView]) -> None:
        self._strict = {name: row for name, row in queues.items() if row.paused or row.max_running is not None}
        self._given: defaultdict[str, int] = defaultdict(int)
        self._coming: defaultdict[str, int] = defaultdict(int)
        self._parts: dict[Shape, tuple[QueueView, ...]] = {}

    def hindrance(self, shape: Shape, *, coming: bool = False) -> Reason | None:
        """Why no job of this shape may begin now; with `coming`, why none may have a run loaded for it."""
        parts = self._of(shape)
        for part in parts:
            if part.paused:
                help_ = (f"resume it: cidermill queues resume {part.name}",)
                return Reason(Code.PAUSED, f"{part.name} is paused", would_help=help_)
        return next((full for part in parts if (full := self._full(part, coming=coming))), None)

    def _full(self, part: QueueView, *, coming: bool) -> Reason | None:
        running = part.running + self._given[part.name]
        expected = self._coming[part.name] if coming else 0
        if part.max_running is None or running + expected < part.max_running:
            return None
        sentence = f"{running} of at most {part.max_running} jobs of {part.name} are at work"
        help_ = (f"one of them ends, or the limit of {part.name} is raised",)
        return Reason(Code.LIMIT, sentence, would_help=help_)

    def begin(self, shape: Shape) -> None:
        """A job of this shape was assigned."""
        for part in self._of(shape):
            self._given[part.name] += 1

    @property
    def begun(self) -> Mapping[str, int]:
        """Jobs assigned by this plan, by part of the queue; only parts that have a limit."""
        return self._given

    def expect(self, shape: Shape) -> None:
        """A job of this shape has a run made ready for it."""
        for part in self._of(shape):
            self._coming[part.name] += 1

    def _of(self, shape: Shape) -> tuple[QueueView, ...]:
        """The parts it belongs to that could stop it."""
        if not self._strict:
            return ()
        known = self._parts.get(shape)
        if known is None:
            names = ("all", f"kind:{shape.kind}", f"class:{_PRIORITIES[shape.rank]}", shape.queue, *shape.parts)
            known = tuple(self._strict[name] for name in dict.fromkeys(names) if name in self._strict)
            self._parts[shape] = known
        return known
