"""The process that holds one loaded model: started from a launch plan, watched, measured, ended for sure."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from typing import IO

import psutil

from shared.errors import Problem, RunDied, revive
from shared.process_birth import birth_of
from shared.runtimes import Endpoint, LaunchPlan
from shared.units import Bytes
from workers.footprint import Usage, measure, process_tree
from workers.port import LOOPBACK, claim_check, listens, port_in_use

#: From exit code and last lines to a cause: `Runtime.diagnose`.
Diagnose = Callable[[int | None, str], Problem]

_TAIL_LINES = 200
_LONGEST_LINE = 8192
_FIRST_POLL, _SLOWEST_POLL = 0.02, 0.25
_PROBE_TIMEOUT = 2.0
#: Seconds in which its last words are read once it has ended: on a busy host they may still be under way.
_LAST_WORDS = 10.0
_KILL_TIMEOUT = 10.0
#: What a model's process has no business knowing.
_SECRETS = ("CIDERMILL_", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "REDIS_URL", "DATABASE_URL")


class RunProcess:
    """A running child in a session of its own. It lives at most as long as this process: its stdin is our pipe."""

    def __init__(self, plan: LaunchPlan, child: subprocess.Popen[bytes], on_line: Callable[[str], None]) -> None:
        self.plan = plan
        self.pid = child.pid
        self._child = child
        self._on_line = on_line
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._peak = Bytes(0)
        #: Seconds since the epoch; together with `pid` it names the process for ever.
        self.birth = birth_of(child.pid) or ""
        self._drain = threading.Thread(target=self._read_output, name=f"output of {child.pid}", daemon=True)
        self._drain.start()

    @classmethod
    def start(cls, plan: LaunchPlan, on_line: Callable[[str], None] | None = None) -> RunProcess:
        """Start the child; `on_line` gets each line it prints, in another thread, and must not raise.

        Raises PortInUse when the port is taken, RunDied when the command cannot be run.
        """
        claim_check(plan.port)
        try:
            child = subprocess.Popen(
                plan.command,
                env=_environment(plan),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise RunDied(
                f"The run's command {plan.command[0]!r} cannot be started",
                str(error),
                "install the runtime again; `cidermill doctor` checks it",
            ) from error
        return cls(plan, child, on_line or _ignore)

    @property
    def endpoint(self) -> Endpoint:
        """Where it answers once it is ready."""
        return Endpoint(
            url=f"http://{LOOPBACK}:{self.plan.port}",
            served_name=self.plan.served_name,
            slots=self.plan.slots,
            context=self.plan.context,
        )

    @property
    def exit_code(self) -> int | None:
        """`None` while it lives; negative: the signal that ended it."""
        return self._child.poll()

    @property
    def stderr_tail(self) -> str:
        """Its last lines, stdout and stderr together; complete once it has ended."""
        if self.exit_code is not None:
            self._drain.join(timeout=_LAST_WORDS)
        return "\n".join(self._tail)

    def wait_ready(self, diagnose: Diagnose, check: Callable[[], None] | None = None) -> None:
        """Return once `ready_path` answers 200; `check` is called between polls and may raise to give up.

        Raises what `diagnose` finds when the child ends (RunDied, OutOfMemory, UnsupportedModel, PortInUse),
        PortInUse when a stranger answers in its place, RunDied after `ready_timeout`. It is left as it is: call `stop`.
        """
        deadline = time.monotonic() + self.plan.ready_timeout
        pause = _FIRST_POLL
        while not self._answers():
            if self._ended_within(pause):
                raise revive(diagnose(self.exit_code, self.stderr_tail))
            if time.monotonic() > deadline:
                raise self._never_ready()
            (check or _go_on)()
            pause = min(pause * 1.5, _SLOWEST_POLL)
        if not listens(process_tree(self.pid), self.plan.port):
            if self.exit_code is not None:
                raise revive(diagnose(self.exit_code, self.stderr_tail))
            raise port_in_use(self.plan.port, "a process that is not the run answers there")

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the child to end by itself; its exit code, or `None` after `timeout` seconds."""
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def memory(self) -> Usage | None:
        """Bytes held by it and its children, now and at most; `None` when it is gone."""
        usage = measure(self.pid)
        if usage is None:
            return None
        self._peak = Bytes(max(self._peak, usage.peak))
        return usage._replace(peak=self._peak)

    def stop(self, grace: float = 5.0) -> int:
        """End it and return its exit code: SIGTERM, after `grace` seconds SIGKILL to the whole group.

        Returns when it is reaped, so that its memory is free; calling it again is harmless.
        """
        descendants = process_tree(self.pid)[1:]
        if self._child.poll() is None:
            self._child.terminate()
            if self.wait(grace) is None:
                # Not reaped yet, so the group's number is still its own.
                os.killpg(self.pid, signal.SIGKILL)
        code = self._child.wait()
        self._close(self._child.stdin)
        _wait_until_gone(descendants)
        self._drain.join(timeout=_KILL_TIMEOUT)
        self._close(self._child.stdout)
        return code

    @staticmethod
    def _close(stream: IO[bytes] | None) -> None:
        """Closing stdin also ends what the child left behind in its group."""
        if stream is not None:
            stream.close()

    def _answers(self) -> bool:
        connection = HTTPConnection(LOOPBACK, self.plan.port, timeout=_PROBE_TIMEOUT)
        try:
            connection.request("GET", self.plan.ready_path)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _ended_within(self, seconds: float) -> bool:
        return self.wait(seconds) is not None

    def _never_ready(self) -> RunDied:
        return RunDied(
            f"The run was not ready after {self.plan.ready_timeout:.0f} s",
            f"its last words: {self._tail[-1] if self._tail else 'none'}",
            "see the run's log; a slow disk or swapping host needs a longer ready_timeout",
        )

    def _read_output(self) -> None:
        for line in _lines(self._child.stdout):
            self._tail.append(line)
            self._on_line(line)


def _lines(output: IO[bytes] | None) -> Iterator[str]:
    """Decoded lines without their ends; a longer one than `_LONGEST_LINE` comes in pieces."""
    while output is not None and (line := output.readline(_LONGEST_LINE)):
        yield line.decode(errors="replace").rstrip("\r\n")


def _wait_until_gone(processes: list[psutil.Process]) -> None:
    """Orphans are not ours to reap; a zombie that waits for init holds no memory any more."""
    deadline = time.monotonic() + _KILL_TIMEOUT
    while any(_holds_memory(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(_FIRST_POLL / 4)


def _holds_memory(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _environment(plan: LaunchPlan) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    return inherited | {"PYTHONUNBUFFERED": "1"} | plan.environment


def _ignore(_: str) -> None:
    """Nobody reads along."""


def _go_on() -> None:
    """Nobody asks to give up."""
