"""Why a run's process died: its exit code and last lines, turned into a typed problem."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from typing import NamedTuple

from shared.errors import OutOfMemory, PortInUse, Problem, RunDied


class Symptom(NamedTuple):
    """What an engine prints before it dies of a known cause; the whole line becomes the `why`."""

    pattern: re.Pattern[str]
    error: type[RunDied]
    what: str
    fix: str


def symptom(pattern: str, error: type[RunDied], what: str, fix: str) -> Symptom:
    return Symptom(re.compile(pattern, re.IGNORECASE | re.MULTILINE), error, what, fix)


_LESS_MEMORY = "lower context or slots, stop other runs, or take a smaller quantisation"

#: What every engine may print.
COMMON = (
    symptom(
        r"address (?:is )?already in use|couldn't bind HTTP server socket",
        PortInUse,
        "The run's port was taken by another process",
        "start the run again: it gets another port",
    ),
    symptom(
        r"kIOGPUCommandBufferCallbackErrorOutOfMemory|\[METAL\].*insufficient memory",
        OutOfMemory,
        "The GPU ran out of memory",
        _LESS_MEMORY,
    ),
    symptom(
        r"std::bad_alloc|\bMemoryError\b|out of memory|unable to allocate|cannot allocate memory|failed to allocate",
        OutOfMemory,
        "The run ran out of memory",
        _LESS_MEMORY,
    ),
    symptom(
        r"^(?:ModuleNotFoundError|ImportError): ",
        RunDied,
        "The runtime is not installed completely",
        "install it again with its extra, for example `pip install 'cidermill[llama]'`",
    ),
)


def diagnose(engine: str, symptoms: Sequence[Symptom], exit_code: int | None, tail: str) -> Problem:
    """The first of `symptoms` that the last lines show, else what the exit code tells; both go along as details."""
    details = {"exit_code": exit_code, "tail": tail[-2000:]}
    for known in symptoms:
        if match := known.pattern.search(tail):
            return known.error(known.what, _line_around(tail, match), known.fix, **details).problem
    return RunDied(
        f"The {engine} process of the run ended", _ending(exit_code, tail), "see the run's log", **details
    ).problem


def _line_around(tail: str, match: re.Match[str]) -> str:
    start = tail.rfind("\n", 0, match.start()) + 1
    end = tail.find("\n", match.end())
    return tail[start : end if end >= 0 else len(tail)].strip()[:400]


def _ending(exit_code: int | None, tail: str) -> str:
    last = next((line.strip() for line in reversed(tail.splitlines()) if line.strip()), "")
    said = f"; its last line: {last[:300]}" if last else ""
    return f"{_how(exit_code)}{said}"


def _how(exit_code: int | None) -> str:
    if exit_code is None:
        return "it went away without an exit code"
    if exit_code >= 0:
        return f"it ended by itself with exit code {exit_code}"
    if exit_code == -signal.SIGKILL:
        return "it was killed (SIGKILL): by somebody, or by the system because memory ran out"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = "unknown"
    return f"signal {-exit_code} ({name}) ended it"
