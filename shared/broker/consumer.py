"""The receiving end of a lane: fetches when the bell rings, never fails, never loops hot."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from threading import Condition, Event
from typing import Protocol

import dramatiq
import redis
import structlog
from dramatiq.errors import DecodeError

from shared.broker.bell import Bell
from shared.broker.outage import Outage

_log = structlog.get_logger(__name__)

#: Seconds at the bell before looking at the queue anyway, which heals a lost ring.
SLOW_POLL = 5.0
#: Seconds a full consumer lingers for more room, so that it fetches many messages at once and not one by one.
_LINGER = 0.005
#: Acknowledgements that wait for each other; a burst's last one sends what is left.
_ACKNOWLEDGE_AT_ONCE = 16
#: Seconds between two looks at whether to go on while there is nothing to do.
_NAP = 0.05


class Lanes(Protocol):
    """What a consumer asks of its broker; all may raise Redis's errors."""

    def fetch(self, lane: str, count: int) -> list[bytes | None]: ...

    def acknowledge(self, lane: str, redis_ids: Sequence[str]) -> None: ...

    def requeue(self, lane: str, redis_ids: Sequence[str]) -> None: ...

    def held(self, lane: str) -> set[str]: ...


class LaneConsumer(dramatiq.Consumer):
    """Iterates over a lane's messages, holding at most `prefetch` that are not acknowledged.

    Dramatiq answers a consumer's exception by sleeping three seconds and a failed acknowledgement by trying for
    ever, so neither leaves here: an outage is waited out inside, and acknowledgements are kept for its end.
    `__next__` is called by one thread; `ack` and `nack` by any.
    """

    def __init__(self, broker: Lanes, lane: str, prefetch: int, bell: Bell, halted: Event) -> None:
        self._broker = broker
        self._lane = lane
        self._prefetch = prefetch
        self._bell = bell
        self._halted = halted
        self._outage = Outage(lane)
        self._fetched: deque[dramatiq.Message[None]] = deque()
        self._held: set[str] = set()
        self._acknowledged: list[str] = []
        self._freed = Condition()

    def __next__(self) -> dramatiq.MessageProxy | None:
        """The next message; None when there is none for now."""
        if self._halted.is_set():
            time.sleep(_NAP)
            return None
        if not self._fetched:
            self._refill()
        return dramatiq.MessageProxy(self._fetched.popleft()) if self._fetched else None

    def ack(self, message: dramatiq.MessageProxy) -> None:
        """Forget a message: with the others of its burst, or when Redis is back."""
        redis_id = message.options["redis_message_id"]
        with self._freed:
            self._held.discard(redis_id)
            self._acknowledged.append(redis_id)
            self._freed.notify()
            due = not self._held or len(self._acknowledged) >= _ACKNOWLEDGE_AT_ONCE
        if due and not self._outage.lasts:
            self._try(self._send_acknowledgements)

    #: A dead letter would be read by nobody: the scheduler sends again what was not claimed.
    nack = ack

    def requeue(self, messages: Iterable[dramatiq.MessageProxy | dramatiq.Message[None]]) -> None:
        """Give messages back to the lane for another worker, if Redis takes them."""
        redis_ids = [message.options["redis_message_id"] for message in messages]
        with self._freed:
            self._held.difference_update(redis_ids)
        if redis_ids and not self._outage.lasts:
            self._try(lambda: self._give_back(redis_ids))

    def close(self) -> None:
        """Give back what was fetched and not handed out, and acknowledge the rest."""
        self.requeue(self._fetched)
        self._fetched.clear()
        if not self._outage.lasts:
            self._try(self._send_acknowledgements)

    def _refill(self) -> None:
        room = self._wait_for_room()
        if room and not self._try(lambda: self._fetch_or_wait(room)):
            self._outage.back_off(self._halted)

    def _fetch_or_wait(self, room: int) -> None:
        if self._outage.lasts:
            self._recover()
        if not self._fetch(room):
            self._bell.wait(SLOW_POLL, self._halted)

    def _wait_for_room(self) -> int:
        """How many messages may be fetched; 0 when the callbacks keep all places taken."""
        with self._freed:
            if self._room() <= 0 and not self._freed.wait_for(lambda: self._room() > 0, _NAP):
                return 0
            self._freed.wait_for(lambda: self._room() >= self._prefetch // 2, _LINGER)
            return self._room()

    def _room(self) -> int:
        return self._prefetch - len(self._held)

    def _fetch(self, room: int) -> bool:
        bodies = self._broker.fetch(self._lane, room)
        messages = [message for body in bodies if (message := self._decode(body))]
        with self._freed:
            self._held.update(message.options["redis_message_id"] for message in messages)
        self._fetched.extend(messages)
        if len(messages) < len(bodies):
            strays = self._strays()
            _log.warning("dropped messages that make no sense", lane=self._lane, count=len(strays))
            self._broker.acknowledge(self._lane, strays)
        return bool(bodies)

    def _decode(self, body: bytes | None) -> dramatiq.Message[None] | None:
        """The message in `body`; None if it is none of ours: the wrong queue name would end Dramatiq's thread."""
        try:
            message = dramatiq.Message.decode(body or b"")
            addressed = message.queue_name == self._lane and isinstance(message.options["redis_message_id"], str)
        except (DecodeError, KeyError, TypeError):
            return None
        return message if addressed else None

    def _recover(self) -> None:
        """Catch up after an outage: say what is done, and give back what a lost reply kept from us."""
        self._send_acknowledgements()
        self._broker.requeue(self._lane, self._strays())
        self._outage.over()

    def _strays(self) -> list[str]:
        """What Redis thinks we hold and we do not."""
        return sorted(self._broker.held(self._lane) - self._held)

    def _give_back(self, redis_ids: Sequence[str]) -> None:
        self._broker.requeue(self._lane, redis_ids)
        self._bell.ring()

    def _send_acknowledgements(self) -> None:
        with self._freed:
            redis_ids, self._acknowledged = self._acknowledged, []
        try:
            self._broker.acknowledge(self._lane, redis_ids)
        except redis.RedisError:
            with self._freed:
                self._acknowledged += redis_ids
            raise

    def _try(self, step: Callable[[], None]) -> bool:
        """Take a step that needs Redis; False when Redis failed it."""
        try:
            step()
        except redis.RedisError as error:
            self._outage.note(error)
            return False
        return True
