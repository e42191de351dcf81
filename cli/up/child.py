"""One supervised process: started, listened to, started again when it dies, stopped with grace."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from subprocess import Popen

from cli.up.parent import SUPERVISED

#: Takes one line that a part said: its name, the line.
Sink = Callable[[str, str], None]

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
#: Seconds after which a life counts as good and the back-off starts over.
_GOOD_LIFE = 60.0
_LINES_KEPT = 40
#: Seconds that a dead process's output may still take to arrive; a grandchild can hold it open for longer.
_LAST_WORDS = 1.0


@dataclass(frozen=True)
class Part:
    """What to run. The environment is added to our own; nothing in it is shown on a command line."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


class Child:
    """A part and the process it is now. Its standard input is a pipe that we hold and never write to."""

    def __init__(self, part: Part, sink: Sink, started: Callable[[], None] = lambda: None) -> None:
        self.part = part
        self.deaths = 0
        self._sink = sink
        self._started = started
        self._stopping = threading.Event()
        #: Held while it is decided whether to start: a stop never misses a process just born.
        self._deciding = threading.Lock()
        self._last_lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._process: Popen[str] | None = None
        self._listener = threading.current_thread()
        self._minder = threading.Thread(target=self._mind, name=f"mind-{part.name}", daemon=True)

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def last_words(self) -> str:
        return "\n".join(self._last_lines)

    def start(self) -> None:
        """Start the process and mind it from now on."""
        self._spawn()
        self._minder.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM and start it no more; returns at once. A part that hears it twice ends at once."""
        self._refuse_to_start()
        self._signal(signal.SIGTERM)

    def stop(self, patience: float) -> None:
        """Stop it: SIGTERM, SIGKILL after `patience` seconds; returns when it is gone."""
        if self._process is None:
            return
        self.ask_to_stop()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._sink(self.part.name, f"did not stop within {patience:.0f} s and is killed")
            self.kill()
        if self._minder.is_alive():
            self._minder.join()

    def kill(self) -> None:
        """End it at once."""
        self._refuse_to_start()
        self._signal(signal.SIGKILL)

    def _spawn(self) -> bool:
        """Start the process, unless it was told to stop meanwhile."""
        with self._deciding:
            if self._stopping.is_set():
                return False
            self._process = Popen(
                self.part.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.part.environment, SUPERVISED: "1", "PYTHONUNBUFFERED": "1"},
                text=True,
                errors="replace",
                # A Ctrl-C at the terminal is for the supervisor, which stops its parts in order.
                start_new_session=True,
            )
        self._listener = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._listener.start()
        self._started()
        return True

    def _mind(self) -> None:
        wait = _FIRST_WAIT
        while self._process is not None:
            born = time.monotonic()
            code = self._process.wait()
            self._listener.join(_LAST_WORDS)
            if self._stopping.is_set():
                return
            self.deaths += 1
            wait = _FIRST_WAIT if time.monotonic() - born > _GOOD_LIFE else min(wait * 2, _LONGEST_WAIT)
            self._sink(self.part.name, f"ended by itself ({_ending(code)}); it starts again in {wait:.1f} s")
            if self._stopping.wait(wait) or not self._spawn():
                return

    def _listen(self, process: Popen[str]) -> None:
        """Until nobody holds the other end; then ours are closed too."""
        for line in process.stdout or ():
            self._last_lines.append(line.rstrip())
            self._sink(self.part.name, line.rstrip())
        for pipe in (process.stdout, process.stdin):
            if pipe is not None:
                pipe.close()

    def _refuse_to_start(self) -> None:
        with self._deciding:
            self._stopping.set()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
