"""The workers of a host: one process per runtime, restarted when it dies, replaced when it hangs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from shared.identifiers import new_id
from shared.process_birth import birth_of
from shared.protocol import LogLine, WorkerStatus
from workers.agent import reaper
from workers.pipe import Line, RunProcessRecord, Start, Status, Stop, Synced, Wired, statuses

log = structlog.get_logger()

_RESTART_FIRST, _RESTART_LIMIT = 0.5, 30.0
#: A worker that lived this long starts its back-off anew.
_STEADY = 60.0
#: Seconds without a word after which a worker counts as hung; longer while it starts.
_SILENCE, _START_SILENCE = 8.0, 40.0
#: Seconds to listen once more before that: an agent that was stopped itself, or had no turn, has heard nobody.
_LISTENING = 2.0
#: Lines of logs that wait for a front door that is away.
_MOST_LOGS = 1000


@dataclass
class Life:
    """One worker process, from start to reaping."""

    worker: str
    process: subprocess.Popen[bytes]
    line: Line
    birth: str
    began: float
    heard: float
    status: Status = field(default_factory=Status)
    #: Of the worker and its runs, until the front door has them.
    logs: deque[LogLine] = field(default_factory=lambda: deque(maxlen=_MOST_LOGS))
    spoke: bool = False
    #: When it was found to be silent, unless it has said something since.
    missed: float | None = None


@dataclass(frozen=True)
class Death:
    """A worker that is gone, with the run processes it last had."""

    worker: str
    runtime: str
    exit_code: int | None
    processes: tuple[RunProcessRecord, ...]
    wanted: bool


class Supervised:
    """The worker of one runtime: its present life, and when the next one may begin."""

    def __init__(self, runtime: str, start: Callable[[str, str], Start], on_news: Callable[[], None]) -> None:
        self.runtime = runtime
        self._start = start
        self._on_news = on_news
        self.life: Life | None = None
        self._delay = _RESTART_FIRST
        self._not_before = 0.0

    def launch(self) -> None:
        """Start a new process and give it its identity."""
        worker = new_id("wk")
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.main", self.runtime],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        if process.stdin is None or process.stdout is None:
            raise OSError("no pipe to the worker")
        now = time.monotonic()
        life = Life(worker, process, Line(process.stdin), birth_of(process.pid) or "", now, now)
        self.life = life
        threading.Thread(target=self._listen, args=(life,), name=f"worker {self.runtime}", daemon=True).start()
        self.tell(self._start(worker, self.runtime))
        log.info("worker started", runtime=self.runtime, worker=worker, pid=process.pid)

    def _listen(self, life: Life) -> None:
        stdout = life.process.stdout
        if stdout is None:
            return
        for status in statuses(stdout):
            processes = {(r.run_id, r.generation, r.ready) for r in status.processes}
            news = processes != {(r.run_id, r.generation, r.ready) for r in life.status.processes}
            life.logs.extend(status.logs)
            life.status = status
            life.heard, life.spoke = time.monotonic(), True
            if news or status.wiring:
                self._on_news()
        self._on_news()

    def tell(self, message: Start | Synced | Wired | Stop) -> None:
        """A worker that is gone hears nothing; `check` will find out."""
        if self.life is None:
            return
        try:
            self.life.line.send(message)
        except OSError:
            return

    def check(self, stopping: bool) -> Death | None:
        """Find out whether it died or hangs; a hung one is killed. Starts the next life when it is time."""
        if self.life is None:
            if not stopping and time.monotonic() >= self._not_before:
                self.launch()
            return None
        if self.life.process.poll() is None and self._hung(self.life):
            log.error("worker hangs, it is replaced", runtime=self.runtime, pid=self.life.process.pid)
            self.life.process.kill()
            self.life.process.wait()
        if self.life.process.poll() is None:
            return None
        return self._bury(self.life, stopping)

    def _hung(self, life: Life) -> bool:
        now = time.monotonic()
        if now - life.heard <= (_SILENCE if life.spoke else _START_SILENCE):
            life.missed = None
        elif life.missed is None:
            life.missed = now
        return life.missed is not None and now - life.missed >= _LISTENING

    def _bury(self, life: Life, stopping: bool) -> Death:
        code = life.process.wait()
        for stream in (life.process.stdin, life.process.stdout):
            if stream is not None:
                _close(stream)
        lived = time.monotonic() - life.began
        self._delay = _RESTART_FIRST if lived > _STEADY else min(_RESTART_LIMIT, self._delay * 2)
        self._not_before = time.monotonic() + (0.0 if lived > _STEADY else self._delay / 2)
        self.life = None
        if not stopping:
            log.warning("worker died", runtime=self.runtime, exit_code=code, again_in=round(self._delay / 2, 1))
        return Death(life.worker, self.runtime, code, tuple(life.status.processes), wanted=stopping)

    def status(self, *, retiring: bool) -> WorkerStatus | None:
        """`retiring`: it takes nothing new, so the scheduler must not count on it."""
        if self.life is None:
            return None
        alive = self.life.spoke and not retiring
        return WorkerStatus(worker=self.life.worker, runtime=self.runtime, pid=self.life.process.pid, alive=alive)

    def take_logs(self) -> Status | None:
        """What it last said; its log lines are handed over once."""
        if self.life is None:
            return None
        logs = [self.life.logs.popleft() for _ in range(len(self.life.logs))]
        return self.life.status.model_copy(update={"logs": logs})

    def keep_logs(self, lines: Sequence[LogLine]) -> None:
        """Lines that were handed over and not heard; as many as there is room for, the latest first."""
        if self.life is not None:
            room = _MOST_LOGS - len(self.life.logs)
            self.life.logs.extendleft(reversed(lines[-room:] if room else []))

    def kill(self) -> None:
        if self.life is not None:
            reaper.end(self.life.process.pid, self.life.birth)
            self.life.process.wait()


def _close(stream: object) -> None:
    try:
        stream.close()  # type: ignore[attr-defined]
    except OSError:
        return
