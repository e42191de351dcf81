"""How long things take, from measured rates; what was never measured is not known, or guessed from bytes."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.views import Rate, Shape
from shared.units import GIB

#: Bytes a second that a model is taken to load at until it was measured.
_LOAD_SPEED = 1 * GIB
#: A job counts as at least and at most so many typical ones.
_LEAST, _MOST = 0.01, 100.0


class Forecast:
    """Seconds by model and runtime."""

    def __init__(self, rates: Mapping[tuple[str, str], Rate]) -> None:
        self._rates = rates
        known = [rate.job for rate in rates.values() if rate.job]
        self._typical = sum(known) / len(known) if known else None

    def job_seconds(self, model_id: str | None, runtime: str | None) -> float | None:
        """From the start of a job to its end, or `None`."""
        rate = self._rates.get((model_id or "", runtime or ""))
        return rate.job if rate else None

    def load_seconds(self, model_id: str, runtime: str | None, size: int) -> float:
        """Until a run is ready: measured, or guessed from its `size` in bytes."""
        rate = self._rates.get((model_id, runtime or ""))
        return rate.load if rate and rate.load is not None else size / _LOAD_SPEED

    def cost(self, shape: Shape, runtime: str, slots: int) -> float:
        """What a job uses of the fair share: slots, times how much longer than a typical job it takes.

        Relative to the mean of all models, so that a share means the same before and after a model was measured.
        """
        seconds = self.job_seconds(shape.model_id, runtime)
        if seconds is None or self._typical is None:
            return float(slots)
        return slots * min(_MOST, max(_LEAST, seconds / self._typical))
