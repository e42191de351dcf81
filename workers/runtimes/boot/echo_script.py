"""How the echo model behaves: scripted for a whole run, and anew for each request by its body's `echo` field."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import Any

#: What a Mac prints when the GPU's memory is gone.
METAL_OUT_OF_MEMORY = (
    "libc++abi: terminating due to uncaught exception of type std::runtime_error: [METAL] Command buffer execution "
    "failed: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"
)


@dataclass(frozen=True, slots=True)
class Script:
    """One request's course. Times in milliseconds."""

    #: Until the first token.
    latency_ms: float = 0.0
    #: From each token to the next.
    itl_ms: float = 0.0
    #: Words to answer; `None`: as many as the last user message has.
    tokens: int | None = None
    #: `error`, `crash`, `hang` or `oom`.
    fail: str | None = None
    #: Tokens streamed before it fails.
    fail_after: int = 0
    #: Fail only so many times for the same request; `None`: always.
    fail_times: int | None = None
    #: Of an `error`.
    status: int = 500

    def altered(self, wishes: dict[str, Any]) -> Script:
        """This script with a request's own wishes on top. Raises ValueError for an unknown one."""
        if unknown := set(wishes) - _NAMES:
            raise ValueError(f"echo knows {', '.join(sorted(_NAMES))}; not {', '.join(sorted(unknown))}")
        return replace(self, **wishes)

    def seconds(self, tokens: int) -> float:
        """How long `tokens` tokens take."""
        return (self.latency_ms + self.itl_ms * max(tokens - 1, 0)) / 1000


_NAMES = frozenset(field.name for field in fields(Script))


class Failures:
    """Counts how often each request failed, so that one may fail twice and then succeed."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def due(self, script: Script, request: str) -> str | None:
        """How this try of `request` fails, or `None`."""
        if script.fail is None or script.fail_times is None:
            return script.fail
        self._seen[request] += 1
        return script.fail if self._seen[request] <= script.fail_times else None


class EchoModel:
    """The model that loads: it takes its time and its memory, or fails as told."""

    def __init__(self, load_seconds: float, memory: int, fail_load: str | None, growth: int = 0) -> None:
        self._load_seconds = load_seconds
        self._size = memory
        self._fail = fail_load
        self._growth = growth
        self._memory: list[bytearray] = []
        self.loaded = False

    def load(self) -> None:
        """Blocks for the scripted seconds; may end the process."""
        time.sleep(self._load_seconds)
        if self._fail == "hang":
            return
        if self._fail is not None:
            _fail_to_load(self._fail)
        self._take(self._size)
        self.loaded = True

    def grow(self) -> None:
        """Hold more, for good, as an engine does whose caches nobody empties."""
        if self._growth:
            self._take(self._growth)

    def _take(self, size: int) -> None:
        memory = bytearray(size)
        # One byte in each page, else the system only promises the memory.
        memory[::4096] = b"\x01" * len(range(0, size, 4096))
        self._memory.append(memory)


def _fail_to_load(how: str) -> None:
    if how == "oom":
        die_of_memory()
    if how == "unsupported":
        raise ValueError("unknown model architecture: 'echo'")
    crash()


def die_of_memory() -> None:
    """End as a Metal process does when the GPU's memory is gone."""
    print(METAL_OUT_OF_MEMORY, file=sys.stderr, flush=True)  # noqa: T201
    crash()


def crash() -> None:
    """End by SIGABRT, as a C++ library does, leaving no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGABRT)
