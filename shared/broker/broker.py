"""Dramatiq's Redis broker, reduced to lanes."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from typing import Any, cast

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from shared.broker.bell import Bell
from shared.broker.consumer import LaneConsumer
from shared.broker.enqueue import Enqueue
from shared.lane import bell_key

#: Fetches, of a million, that also give back what workers silent for a minute had taken.
_MAINTENANCE = 100_000

#: KEYS: ids this process took, the lane's messages. ARGV: ids. As Dramatiq's own, for many at once.
_ACKNOWLEDGE = """
for _, id in ipairs(ARGV) do
    if redis.call("srem", KEYS[1], id) > 0 then
        redis.call("hdel", KEYS[2], id)
    end
end
"""


class LaneBroker(RedisBroker):
    """A Redis broker whose consumers wait at a doorbell.

    It has no middleware (retries, deadlines and results live in the database) and no delay queues, which would each
    cost a polling thread.
    """

    def __init__(self, client: redis.Redis, namespace: str) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            client=client, namespace=namespace, middleware=[], maintenance_chance=_MAINTENANCE
        )
        self._halted = Event()
        self._enqueue = Enqueue(client, namespace)
        self._acknowledge = client.register_script(_ACKNOWLEDGE)

    def declare_queue(self, queue_name: str) -> None:
        """Make `queue_name` known, without a delay queue beside it."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Put one message on its lane and ring. Raises ValueError for a delay: waiting is the database's business."""
        if delay is not None:
            raise ValueError("lanes have no delayed messages")
        self._enqueue(message.queue_name, [message])
        return message

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> LaneConsumer:
        """A consumer of one lane; `timeout` is not used, the bell's is."""
        bell = Bell(self.client, bell_key(self.namespace, queue_name))
        return LaneConsumer(self, queue_name, prefetch, bell, self._halted)

    def halt(self) -> None:
        """Let no consumer fetch, and end its wait at the bell."""
        self._halted.set()

    def resume(self) -> None:
        """Let consumers fetch again."""
        self._halted.clear()

    def close(self) -> None:
        """Hang up."""
        self.client.close()

    def fetch(self, lane: str, count: int) -> list[bytes | None]:
        """Take up to `count` messages; a body that is gone is None."""
        return list(self.do_fetch(lane, count))

    def acknowledge(self, lane: str, redis_ids: Sequence[str]) -> None:
        """Forget messages that were taken."""
        if redis_ids:
            messages = f"{self.namespace}:{lane}.msgs"
            self._acknowledge(keys=[self._held_key(lane), messages], args=redis_ids)

    def requeue(self, lane: str, redis_ids: Sequence[str]) -> None:
        """Put messages that were taken back at the end of the lane."""
        self.do_requeue(lane, *redis_ids)

    def held(self, lane: str) -> set[str]:
        """The ids this process took and has not acknowledged, as Redis knows them."""
        members = cast("set[bytes]", self.client.smembers(self._held_key(lane)))
        return {member.decode() for member in members}

    def _held_key(self, lane: str) -> str:
        return f"{self.namespace}:__acks__.{self.broker_id}.{lane}"
