"""Transfers in threads, while the attempt they belong to stays cancellable and says how far it is."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import TypeVar

from shared.downloads.interrupt import Interrupt, Interrupted
from shared.downloads.meter import Meter
from shared.downloads.speed import Speed
from shared.kinds.contract import Context

Answer = TypeVar("Answer")

#: Files of one model that come side by side.
WIDTH = 4
#: Seconds between looks at the cancel flag.
_LOOK = 0.2
#: Seconds that stopped transfers are given to close their files.
_FAREWELL = 1.0


class Watch:
    """Only the caller's thread talks to the context; the transfers' threads see the interrupt."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.interrupt = Interrupt()
        self.speed = Speed()
        self._notes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._questions: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(WIDTH, thread_name_prefix="transfer")

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.interrupt.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._report(None)
        # What broke off or was cancelled came at some rate, too.
        self.context.measured(self.speed.transfers())

    def note(self, line: str) -> None:
        """A line for the job's log, from any thread."""
        self._notes.put(line)

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """What the caller's thread answers, for a transfer's thread that must not talk to the context.

        Raises what the question raises, or Interrupted.
        """
        answer: Future[Answer] = Future()
        self._questions.put(lambda: _settle(answer, question))
        while not answer.done():
            wait([answer], timeout=_LOOK)
            self.interrupt.check()
        return answer.result()

    def one(self, task: Callable[[], Answer], meter: Meter | None = None) -> Answer:
        return self.all([task], meter)[0]

    def all(self, tasks: Sequence[Callable[[], Answer]], meter: Meter | None = None) -> list[Answer]:
        """The answers of all tasks, in order. The first failure ends the others and is raised; so is Cancelled."""
        futures = [self._threads.submit(task) for task in tasks]
        try:
            self._attend(futures, meter)
        except BaseException:
            self.interrupt.set()
            wait(futures, timeout=_FAREWELL)
            raise
        return [future.result() for future in futures]

    def _attend(self, futures: list[Future[Answer]], meter: Meter | None) -> None:
        pending: set[Future[Answer]] = set(futures)
        while pending:
            self.context.raise_if_cancelled()
            done, pending = wait(pending, timeout=_LOOK, return_when=FIRST_EXCEPTION)
            _raise_cause(done)
            self._answer()
            self._report(meter)

    def _answer(self) -> None:
        while not self._questions.empty():
            self._questions.get()()

    def _report(self, meter: Meter | None) -> None:
        while not self._notes.empty():
            self.context.log(self._notes.get())
        if meter is not None:
            self.context.progress(meter.done, meter.total, "bytes", meter.rate())


def _settle(answer: Future[Answer], question: Callable[[], Answer]) -> None:
    """Whoever asked is told what went wrong; the caller's thread goes on."""
    try:
        answer.set_result(question())
    except Exception as error:
        answer.set_exception(error)


def _raise_cause(done: set[Future[Answer]]) -> None:
    """Raises what went wrong, rather than that another was interrupted because of it."""
    errors = [error for future in done if (error := future.exception()) is not None]
    causes = [error for error in errors if not isinstance(error, Interrupted)]
    if errors:
        raise (causes or errors)[0]
