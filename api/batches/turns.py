"""Whose batch is taken its next long step: few at once, one of each key, and keys in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from itertools import count
from typing import Any

from shared.tables import Batch

#: Such steps keep a core busy each, which answers to people need, too.
_AT_ONCE = 2

#: Takes a batch one step, and never fails.
Step = Callable[[Batch], Coroutine[Any, Any, None]]


class Turns:
    """Steps that are under way in a group of tasks."""

    def __init__(self, group: asyncio.TaskGroup, step: Step) -> None:
        self._group, self._step = group, step
        #: By key.
        self._tasks: dict[str, asyncio.Task[None]] = {}
        #: When keys and batches that wait had their last turn.
        self._last: dict[str, int] = {}
        self._count = count(1)

    def clear(self) -> None:
        """Forget the steps that are over. Whoever looks for batches that wait does it first, or may find them twice."""
        self._tasks = {key: task for key, task in self._tasks.items() if not task.done()}

    def give(self, waiting: Iterable[Batch]) -> None:
        """Begin as many steps as there is room for.

        A key with many batches gets no more of it than others, and one whose step fails goes behind the key's others.
        """
        waiting = list(waiting)
        known = {name for row in waiting for name in (row.owner, row.id)}
        self._last = {name: number for name, number in self._last.items() if name in known}
        for row in sorted(waiting, key=self._place):
            if row.owner not in self._tasks and len(self._tasks) < _AT_ONCE:
                self._tasks[row.owner] = self._group.create_task(self._step(row))
                self._last[row.owner] = self._last[row.id] = next(self._count)

    def _place(self, row: Batch) -> tuple[int, int, str]:
        return self._last.get(row.owner, 0), self._last.get(row.id, 0), row.id
