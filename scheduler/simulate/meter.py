"""Seconds as they were measured while a trace is played: the only thing that plans know of the future."""

from __future__ import annotations

from collections import defaultdict, deque
from statistics import median

from scheduler.views import Rate

#: Of each model, the newest are remembered.
_NEWEST = 50


class Meter:
    """Medians by model."""

    def __init__(self) -> None:
        self._jobs: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_NEWEST))
        self._loads: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_NEWEST))
        self.rates: dict[str, Rate] = {}

    def job(self, model: str, seconds: float) -> None:
        """A job of `model` has ended."""
        self._jobs[model].append(seconds)
        self._measure(model)

    def load(self, model: str, seconds: float) -> None:
        """A run of `model` has become ready."""
        self._loads[model].append(seconds)
        self._measure(model)

    def _measure(self, model: str) -> None:
        jobs, loads = self._jobs[model], self._loads[model]
        self.rates[model] = Rate(median(jobs) if jobs else None, median(loads) if loads else None)
