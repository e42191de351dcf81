"""The worker process of one runtime: consumes its lane, runs attempts, owns the run processes of its runtime.

Started by the agent with a pipe on standard input and output; when the pipe closes, it ends, and its runs with it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import structlog

from shared.broker import LaneWorker
from shared.errors import ConfigError
from shared.lane import lane_name
from shared.logs import configure_logs
from shared.settings import load_settings
from workers.execute import Executor
from workers.frontdoor import FrontDoor
from workers.keeper import Keeper
from workers.outbox import Outbox
from workers.pipe import Line, Start, Status, Stop, Synced, Wired, orders
from workers.power import find_counter
from workers.power.share import Share
from workers.runtimes import discover

log = structlog.get_logger()

_BEAT = 0.5
_LANE_THREADS = 32
_PREFETCH = 64
_STORE = "store"


class Worker:
    """Wires the parts; the agent's orders come in on one thread, the status goes out on another."""

    def __init__(self, start: Start, line: Line) -> None:
        runtime = discover()[start.runtime]
        self._line, self._start = line, start
        self._front_door = FrontDoor(start.front_door, start.token, start.trusted)
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._outbox = Outbox(self._front_door, start.worker, Path(start.spool), lambda ref: self._executor.drop(ref))
        self._keeper = Keeper(runtime, self._front_door, self._outbox, start.worker, self._news.set)
        # Downloads use next to nothing, and must not be charged for what engines use beside them.
        self._share = Share(find_counter(Path(start.powercap)) if start.runtime != _STORE else None)
        self._executor = Executor(
            self._front_door,
            self._outbox,
            start.worker,
            Path(start.scratch),
            Path(start.models),
            on_crash=self._keeper.await_end,
            share=self._share,
            rate=start.download_rate,
        )
        self._lane = LaneWorker(
            start.redis_url.get_secret_value(),
            start.namespace,
            lane_name(start.host, start.runtime),
            self._executor.on_message,
            self._keeper.on_message,
            threads=_LANE_THREADS,
            prefetch=_PREFETCH,
        )

    def run(self) -> None:
        """Work until somebody says stop; then drain, hand back and end."""
        Path(self._start.scratch).mkdir(parents=True, exist_ok=True)
        self._outbox.start()
        self._executor.start()
        threading.Thread(target=self._listen, name="orders", daemon=True).start()
        self._lane.start()
        log.info("worker ready", worker=self._start.worker)
        beat = threading.Thread(target=self._beat, name="beat", daemon=True)
        beat.start()
        self._stopping.wait()
        self._drain()

    def stop(self) -> None:
        self._stopping.set()

    def _listen(self) -> None:
        for order in orders():
            if isinstance(order, Stop):
                self.stop()
            elif isinstance(order, Synced):
                self._hear(order)
            elif isinstance(order, Wired):
                self._keeper.wiring.answer(order)
        self._end()

    def _hear(self, news: Synced) -> None:
        self._executor.pace(news.download_rate)
        self._executor.attend(news.attended)
        self._share.tell(news.idle_watts, news.other_slots)
        for ref in news.cancel:
            self._executor.cancel(ref)
        for ref in news.preempt:
            self._executor.preempt(ref)
        for ref in news.drop:
            self._executor.drop(ref)
        for run in news.drop_runs:
            self._keeper.drop(run)
        for run in news.wishes:
            self._keeper.on_message(run.run_id, run.generation)

    def _beat(self) -> None:
        while True:
            self._say_status()
            self._news.wait(_BEAT)
            self._news.clear()

    def _say_status(self) -> None:
        status = Status(
            attempts=self._executor.statuses(),
            runs=self._keeper.statuses(),
            processes=self._keeper.processes(),
            wiring=self._keeper.wiring.wishes(),
            logs=self._keeper.take_logs(),
            slots=self._share.slots,
        )
        try:
            self._line.send(status)
        except OSError:
            self._end()

    def _end(self) -> None:
        """The agent is gone: nothing may outlive it. The run processes see our end the same way."""
        try:
            self._outbox.leave()
        finally:
            os._exit(1)

    def _drain(self) -> None:
        """Take nothing new; finish or hand back what runs; then free the memory; then say so."""
        log.info("worker drains")
        self._lane.stop()
        self._executor.stop(self._start.drain_seconds)
        self._keeper.stop()
        self._outbox.close()
        self._say_status()
        self._front_door.close()


def main() -> int:
    """`python -m workers.main`: the first line on standard input says who this worker is."""
    line = Line(os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    # What a library prints must not get into the pipe.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    start = next(orders(), None)
    if not isinstance(start, Start):
        raise ConfigError(
            "A worker cannot be started by hand", "its agent gives it its identity", "run: cidermill agent"
        )
    configure_logs(load_settings(), f"worker.{start.runtime}")
    worker = Worker(start, line)

    def on_signal(*_: object) -> None:
        if worker._stopping.is_set():
            os._exit(130)
        worker.stop()

    signal.signal(signal.SIGTERM, on_signal)
    # Ctrl-C reaches the whole foreground group; the agent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker.run()
    return 0


if __name__ == "__main__":
    code = main()
    # Threads of attempts that would not stop must not keep the process.
    sys.stderr.flush()
    os._exit(code)
