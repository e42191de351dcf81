"""Whether Redis answers, said once when that changes."""

from __future__ import annotations

import random
from threading import Event

import structlog

_log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class Outage:
    """Counts failures in a row: logs the first, backs off in between, logs the recovery."""

    def __init__(self, lane: str) -> None:
        self._lane = lane
        self._failures = 0

    @property
    def lasts(self) -> bool:
        """Has the last thing tried failed?"""
        return self._failures > 0

    def note(self, error: Exception) -> None:
        """Something failed."""
        if not self._failures:
            _log.warning("the lane lost Redis and keeps trying", lane=self._lane, reason=str(error))
        self._failures += 1

    def over(self) -> None:
        """Something worked again."""
        _log.info("the lane reached Redis again", lane=self._lane, failures=self._failures)
        self._failures = 0

    def back_off(self, interrupt: Event) -> None:
        """Pause for 50 ms at first and 2 s at most, jittered, or until `interrupt` is set."""
        pause = min(_FIRST_PAUSE * 2 ** min(self._failures - 1, 10), _LONGEST_PAUSE)
        interrupt.wait(pause * random.uniform(0.5, 1.0))
