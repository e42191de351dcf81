"""Makes sure that processes are gone: by number and birth, so that a recycled pid is never mistaken.

What lives is also kept on disk: an agent that was killed leaves its list to the next one.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path

import psutil
import structlog

from shared.process_birth import living
from shared.protocol import RunRef
from workers.pipe import RunProcessRecord

log = structlog.get_logger()

_KILL_TIMEOUT = 10.0


class Register:
    """The processes this host has: workers and the processes of runs, in a file that is replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = ""

    def write(self, workers: Iterable[tuple[int, str]], runs: Iterable[RunProcessRecord]) -> None:
        """Keep what lives now; nothing is written when nothing changed."""
        state = {"workers": sorted(workers), "runs": sorted((r.model_dump() for r in runs), key=lambda r: r["pid"])}
        text = json.dumps(state)
        if text == self._last:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self._path)
        self._last = text

    def end_leftovers(self) -> int:
        """End whatever an earlier agent left behind; how many processes lived."""
        try:
            state = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return 0
        processes = [(pid, birth) for pid, birth in state.get("workers", [])]
        processes += [(run["pid"], run.get("birth") or run["created"]) for run in state.get("runs", [])]
        ended = sum(end(pid, birth) for pid, birth in processes)
        if ended:
            log.warning("ended what an earlier agent left behind", processes=ended)
        return ended


def end(pid: int, birth: str | float) -> bool:
    """Kill this very process and its group, and wait until it is gone; `False` when it was gone already."""
    process = living(pid, birth)
    if process is None:
        return False
    family = [process, *_children(process)]
    for member in family:
        _kill(member)
    _kill_group(pid)
    psutil.wait_procs(family, timeout=_KILL_TIMEOUT)
    return True


def reap_runs(runs: Iterable[RunProcessRecord]) -> list[RunRef]:
    """End these run processes; their memory is free when this returns."""
    reaped = []
    for run in runs:
        end(run.pid, run.birth)
        reaped.append(RunRef(run_id=run.run_id, generation=run.generation))
    return reaped


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _kill_group(pid: int) -> None:
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
