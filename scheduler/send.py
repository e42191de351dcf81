"""Sending hints after the commit. What Redis does not take now is sent again by the outbox."""

from __future__ import annotations

import structlog

from scheduler.apply import Messages
from shared.broker import Dispatcher
from shared.errors import Unavailable

_log = structlog.get_logger(__name__)


class Sender:
    """Sends to lanes; says once when Redis goes away and once when it is back."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._down = False

    def send(self, messages: Messages) -> None:
        """Send what Redis takes; never raises for an outage."""
        try:
            for lane, hints in messages.items():
                self._dispatcher.dispatch(lane, hints)
        except Unavailable as error:
            if not self._down:
                _log.warning("messages wait for Redis", reason=str(error))
            self._down = True
        else:
            if self._down and messages:
                _log.info("Redis takes messages again")
                self._down = False
