"""The receiving side of one lane, used by the worker of its runtime."""

from __future__ import annotations

import dramatiq

from shared.broker.broker import LaneBroker
from shared.broker.connection import connect
from shared.broker.messages import OnExecute, OnTend, declare_actors

#: Seconds to wait for an answer of Redis.
_TIMEOUT = 5.0
#: Milliseconds between two looks of an idle thread at whether to stop; a message wakes it at once.
_GLANCE = 200


class LaneWorker:
    """Calls back for each message of a lane, on its own threads.

    `on_execute(job_id, attempt)` and `on_tend(run_id, generation)` should return within milliseconds; the message is
    acknowledged when they do. One that raises is logged once and dropped with its message, which is only a hint.
    At most `prefetch` messages are taken from the lane and not yet acknowledged.
    """

    def __init__(
        self,
        redis_url: str,
        namespace: str,
        lane: str,
        on_execute: OnExecute,
        on_tend: OnTend,
        threads: int = 1,
        prefetch: int = 16,
    ) -> None:
        self._broker = LaneBroker(connect(redis_url, _TIMEOUT), namespace)
        declare_actors(self._broker, lane, on_execute, on_tend)
        self._worker = dramatiq.Worker(self._broker, queues={lane}, worker_threads=threads, worker_timeout=_GLANCE)
        # The constructor takes no prefetch; the environment variable that sets it is read at import.
        self._worker.queue_prefetch = prefetch

    def start(self) -> None:
        """Begin to consume and return; Redis need not be up."""
        self._broker.emit_after("process_boot")
        self._worker.start()

    def pause(self) -> None:
        """Return once no callback runs; none is called until `resume`."""
        self._broker.halt()
        # Dramatiq's own pause stops its consumers as well, which takes them three seconds.
        for thread in self._worker.workers:
            thread.pause()
        for thread in self._worker.workers:
            thread.paused_event.wait()

    def resume(self) -> None:
        """Go on after `pause`."""
        for thread in self._worker.workers:
            thread.resume()
        self._broker.resume()

    def stop(self, timeout: float = 5.0) -> None:
        """Wait up to `timeout` seconds for callbacks under way, give the other messages back and hang up."""
        self._broker.halt()
        self._worker.stop(timeout=int(timeout * 1000))
        self._broker.close()
