"""A measured figure and the target it must meet, printed as one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """`name: value unit · target · ok|SHORT`; without a target it is there to compare with."""

    name: str
    value: float
    unit: str
    target: float | None = None
    better: Literal["more", "less"] = "more"
    note: str = ""

    @property
    def short(self) -> bool:
        if self.target is None:
            return False
        return self.value < self.target if self.better == "more" else self.value > self.target

    def line(self) -> str:
        sign = "≥" if self.better == "more" else "≤"
        target = f"{sign} {_number(self.target)} {self.unit}" if self.target is not None else "for comparison"
        verdict = "SHORT" if self.short else "ok"
        note = f" · {self.note}" if self.note else ""
        return f"{self.name}: {_number(self.value)} {self.unit} · {target} · {verdict}{note}"


def percentile(values: Sequence[float], percent: int) -> float:
    """Of the whole sample, by linear interpolation."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.2f}"
