"""The runs of one worker: started, watched and ended as the front door wishes.

A wish arrives as a hint; asking the front door what a run wants is claiming it. What became of a run is reported only
after the fact: stopped means reaped, its memory free.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from shared.errors import CidermillError, LeaseLost, Problem, RunDied
from shared.loopback import in_flight
from shared.protocol import LogLine, RunAction, RunEvent, RunOrder, RunRef, RunReport, RunStatus, Tend
from shared.runtimes import Endpoint, Runtime
from workers.frontdoor import FrontDoor
from workers.launch.oom_killer import aware_of_kills
from workers.outbox import Outbox
from workers.pipe import RunProcessRecord
from workers.port import free_port
from workers.process import RunProcess
from workers.wiring import WiringDesk

log = structlog.get_logger()

_THREADS = 16
_LOG_LINES = 500
_MEASURE_EVERY = 2.0
#: Seconds that a process takes to end after it has dropped its connections.
_DYING = 1.0

Key = tuple[str, int]


@dataclass
class _Kept:
    """One load of a run that lives here."""

    ref: RunRef
    stopping: threading.Event = field(default_factory=threading.Event)
    silent: bool = False
    ready: bool = False
    process: RunProcess | None = None
    memory: int | None = None
    peak: int | None = None
    measured_at: float = 0.0


class Keeper:
    """Tends the runs of one runtime. `on_change` is told when a run or a log line is new."""

    def __init__(
        self, runtime: Runtime, front_door: FrontDoor, outbox: Outbox, worker: str, on_change: Callable[[], None]
    ) -> None:
        self._runtime, self._front_door, self._outbox, self._worker = runtime, front_door, outbox, worker
        self._on_change = on_change
        self.wiring = WiringDesk(on_change)
        self._kept: dict[Key, _Kept] = {}
        self._lock = threading.Lock()
        self._logs: deque[LogLine] = deque(maxlen=_LOG_LINES)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="run")
        self._closing = False

    # --- in ---

    def on_message(self, run_id: str, generation: int) -> None:
        """A hint from the lane or the agent: look at this run, elsewhere than on the caller's thread."""
        if not self._closing:
            self._pool.submit(self._tend, RunRef(run_id=run_id, generation=generation))

    def drop(self, ref: RunRef) -> None:
        """The front door has given this load up: end it; the agent will confirm its death."""
        if kept := self._kept.get((ref.run_id, ref.generation)):
            log.warning("run dropped", run=ref.run_id)
            kept.silent = True
            kept.stopping.set()

    def await_end(self, ref: RunRef) -> None:
        """After an attempt lost its run: wait until the run's own end is reported, if that is what happened.

        The job must not be queued again while the dead run still counts as ready. A second is enough to tell.
        """
        deadline = time.monotonic() + _DYING
        while (ref.run_id, ref.generation) in self._kept and time.monotonic() < deadline:
            time.sleep(0.01)

    def _tend(self, ref: RunRef) -> None:
        kept = self._kept.get((ref.run_id, ref.generation))
        if kept is not None and kept.stopping.is_set():
            return
        try:
            message = Tend(run_id=ref.run_id, generation=ref.generation, worker=self._worker)
            order = self._front_door.tend(message)
        except CidermillError as error:
            log.warning("cannot ask what a run wants, the hint will come again", run=ref.run_id, error=str(error))
            return
        if order.action == RunAction.START and kept is None:
            self._keep(order)
        elif order.action == RunAction.STOP and kept is not None:
            kept.stopping.set()
        elif order.action == RunAction.STOP:
            self._report(ref, RunEvent.STOPPED)

    # --- the life of a run ---

    def _keep(self, order: RunOrder) -> None:
        kept = _Kept(RunRef(run_id=order.run_id, generation=order.generation))
        with self._lock:
            self._kept[order.run_id, order.generation] = kept
        threading.Thread(target=self._live, args=(order, kept), name=f"run {order.run_id}", daemon=True).start()

    def _live(self, order: RunOrder, kept: _Kept) -> None:
        began = time.monotonic()
        try:
            error = self._load_and_watch(order, kept, began)
        except CidermillError as failure:
            error = failure.problem
        code = self._end(kept)
        event = RunEvent.STOPPED if kept.stopping.is_set() else RunEvent.FAILED
        log.info("run ended", run=order.run_id, outcome=event, exit_code=code, error=error.what if error else None)
        if not kept.silent:
            self._report(kept.ref, event, kept, error=error if event == RunEvent.FAILED else None)
        with self._lock:
            self._kept.pop((order.run_id, order.generation), None)
        self._on_change()

    def _load_and_watch(self, order: RunOrder, kept: _Kept, began: float) -> Problem | None:
        """Until the run ends; why it ended by itself."""
        if order.model is None:
            raise RunDied("The front door named no model for the run", "the order was incomplete", "start it again")
        plan = self.wiring.allowed(self._runtime.plan(order.spec, order.model, free_port()), kept.ref)
        diagnose = aware_of_kills(self._runtime.diagnose)
        process = RunProcess.start(plan, lambda line: self._log(order.run_id, line))
        kept.process = process
        self._on_change()
        process.wait_ready(diagnose, check=lambda: _raise_if(kept.stopping))
        self._measure(kept)
        kept.ready = True
        self._on_change()
        self._report(kept.ref, RunEvent.READY, kept, process.endpoint, load_seconds=time.monotonic() - began)
        log.info("run ready", run=order.run_id, seconds=round(time.monotonic() - began, 2), port=plan.port)
        while not kept.stopping.is_set():
            if process.wait(0.1) is not None:
                return diagnose(process.exit_code, process.stderr_tail)
        return None

    def _end(self, kept: _Kept) -> int | None:
        if kept.process is None:
            return None
        self._measure(kept)
        return kept.process.stop()

    def _report(
        self, ref: RunRef, event: RunEvent, kept: _Kept | None = None, endpoint: Endpoint | None = None,
        load_seconds: float | None = None, error: Problem | None = None,
    ) -> None:  # fmt: skip
        self._outbox.put_run(
            RunReport(
                run_id=ref.run_id,
                generation=ref.generation,
                worker=self._worker,
                event=event,
                endpoint=endpoint,
                pid=kept.process.pid if kept and kept.process else None,
                memory=kept.memory if kept else None,
                peak=kept.peak if kept else None,
                load_seconds=load_seconds,
                error=error,
            )
        )

    def _log(self, run_id: str, line: str) -> None:
        self._logs.append(LogLine(run_id=run_id, text=line))

    # --- news ---

    def statuses(self) -> list[RunStatus]:
        """What lives here and what it uses, measured at most every two seconds."""
        statuses = []
        for kept in self._living():
            if time.monotonic() - kept.measured_at > _MEASURE_EVERY:
                self._measure(kept)
            statuses.append(
                RunStatus(
                    run_id=kept.ref.run_id,
                    generation=kept.ref.generation,
                    worker=self._worker,
                    memory=kept.memory,
                    peak=kept.peak,
                    busy=in_flight(kept.process.endpoint.url) if kept.process else None,
                )
            )
        return statuses

    def processes(self) -> list[RunProcessRecord]:
        return [
            RunProcessRecord(
                run_id=kept.ref.run_id,
                generation=kept.ref.generation,
                pid=kept.process.pid,
                birth=kept.process.birth,
                ready=kept.ready,
                url=kept.process.endpoint.url,
            )
            for kept in self._living()
            if kept.process is not None
        ]

    def take_logs(self) -> list[LogLine]:
        """Lines that came since the last call."""
        lines = []
        while self._logs:
            lines.append(self._logs.popleft())
        return lines

    def _living(self) -> list[_Kept]:
        with self._lock:
            return list(self._kept.values())

    def _measure(self, kept: _Kept) -> None:
        kept.measured_at = time.monotonic()
        usage = kept.process.memory() if kept.process else None
        if usage is not None:
            kept.memory, kept.peak = usage.current, usage.peak

    # --- out ---

    def stop(self, patience: float = 15.0) -> None:
        """End every run and wait until all are reaped."""
        self._closing = True
        for kept in self._living():
            kept.stopping.set()
        deadline = time.monotonic() + patience
        while self._living() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._pool.shutdown(wait=False)


def _raise_if(stopping: threading.Event) -> None:
    if stopping.is_set():
        raise LeaseLost("The run is no longer wanted", "it was stopped while it loaded", "nothing to do")
