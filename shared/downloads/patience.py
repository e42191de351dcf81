"""Trying again: how often, how long to wait, when to stop."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from shared.downloads.interrupt import Interrupt
from shared.errors import DownloadFailed, Unavailable

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Patience:
    """Tries in a row without any progress, and the waits between them in seconds."""

    tries: int = 6
    first: float = 0.5
    longest: float = 30.0
    #: A server that asks for more than this is left to a later attempt of the job.
    longest_asked: float = 120.0

    def delay(self, failures: int, asked: float | None) -> float:
        """Seconds before the next try: what the server asked for, or twice the last, with jitter."""
        if asked is not None:
            return asked + random.uniform(0, min(1.0, self.first))
        return min(self.longest, self.first * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.0)


def persist(
    step: Callable[[], Answer],
    interrupt: Interrupt,
    patience: Patience,
    reached: Callable[[], int] = lambda: 0,
    note: Callable[[str], None] = lambda line: None,
) -> Answer:
    """Call `step` until it succeeds, waiting longer after each failure; `reached` growing resets the patience.

    Only errors that say a retry may help are tried again. Raises the last one, or Interrupted.
    """
    failures, best = 0, reached()
    while True:
        try:
            return step()
        except (DownloadFailed, Unavailable) as error:
            if reached() > best:
                failures, best = 0, reached()
            failures += 1
            asked = error.problem.details.get("retry_after")
            if not error.retryable or failures >= patience.tries or (asked or 0) > patience.longest_asked:
                raise
            delay = patience.delay(failures, asked)
            note(f"{error.problem.what}: {error.problem.why.rstrip('.')}; trying again in {delay:.1f} s")
            interrupt.wait(delay)
