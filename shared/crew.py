"""Do many pieces side by side, with nobody waiting for the slowest."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from shared.errors import Cancelled, HandedBack
from shared.loopback import Check

Piece = TypeVar("Piece")
Done = TypeVar("Done")

_CHECK_SECONDS = 0.05


def side_by_side(
    pieces: Iterable[Piece],
    work: Callable[[Piece, Check], Done],
    width: int,
    check: Check,
    room: Callable[[], int] | None = None,
) -> Iterator[Done]:
    """Yield the result of `work` for every piece as it finishes, up to `width` at once.

    A place is refilled the moment it frees; `room` says how many there are now, when that is less than `width`. `work`
    runs in threads of its own and must call the check it is given while it waits; `pieces` is drawn by those threads,
    one at a time. `check` is only called by the caller's own thread. The first exception of any of the three ends all
    threads and is raised here.
    """
    if width <= 1:
        for piece in pieces:
            check()
            yield work(piece, check)
        return
    crew = _Crew(pieces, work, width, room or (lambda: width))
    try:
        yield from crew.results(check)
    finally:
        crew.dismiss()


class _Gone:
    """A thread's last word: why it ended, or `None` when there was nothing left to do."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Crew(Generic[Piece, Done]):
    def __init__(
        self, pieces: Iterable[Piece], work: Callable[[Piece, Check], Done], width: int, room: Callable[[], int]
    ) -> None:
        self._pieces = iter(pieces)
        self._drawing = threading.Lock()
        self._work = work
        self._room, self._busy = room, 0
        self._counting = threading.Lock()
        self._said: queue.SimpleQueue[Done | _Gone] = queue.SimpleQueue()
        self._dismissed = threading.Event()
        self._threads = [threading.Thread(target=self._toil, daemon=True) for _ in range(width)]
        for thread in self._threads:
            thread.start()

    def results(self, check: Check) -> Iterator[Done]:
        working = len(self._threads)
        while working:
            try:
                check()
            except HandedBack:
                yield from self._finished()
                raise
            try:
                said = self._said.get(timeout=_CHECK_SECONDS)
            except queue.Empty:
                continue
            if not isinstance(said, _Gone):
                yield said
            elif said.error is not None:
                raise said.error
            else:
                working -= 1

    def _finished(self) -> Iterator[Done]:
        """What was done before the work was handed back: nobody shall do it again."""
        self.dismiss()
        while not self._said.empty():
            said = self._said.get()
            if not isinstance(said, _Gone):
                yield said

    def dismiss(self) -> None:
        self._dismissed.set()
        for thread in self._threads:
            thread.join()

    def _toil(self) -> None:
        try:
            while not self._dismissed.is_set():
                if not self._enter():
                    self._dismissed.wait(_CHECK_SECONDS)
                    continue
                try:
                    with self._drawing:
                        piece = next(self._pieces)
                    self._said.put(self._work(piece, self._check))
                finally:
                    self._leave()
        except StopIteration:
            self._said.put(_Gone())
        except BaseException as error:  # handed to the thread that reads the results
            self._said.put(_Gone(error))

    def _enter(self) -> bool:
        with self._counting:
            if self._busy >= self._room():
                return False
            self._busy += 1
            return True

    def _leave(self) -> None:
        with self._counting:
            self._busy -= 1

    def _check(self) -> None:
        if self._dismissed.is_set():
            raise Cancelled("The other requests of this job were stopped")
