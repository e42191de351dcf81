"""How fast the processors are while something is measured: those of a virtual machine change by half within seconds."""

from __future__ import annotations

import threading
import time
from statistics import mean
from types import TracebackType
from typing import Self

_EVERY = 1.0
_WORK = 200_000


class Pace:
    """Samples a fixed piece of work each second, by the processor time of its own thread: waiting does not count."""

    def __init__(self) -> None:
        self._samples: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    @property
    def speed(self) -> float:
        """Pieces of work that a processor does in a second of its time, on average."""
        return mean(self._samples)

    def _sample(self) -> None:
        while True:
            began, total = time.thread_time(), 0
            for number in range(_WORK):
                total += number * number
            self._samples.append(1 / (time.thread_time() - began))
            if self._over.wait(_EVERY):
                return
