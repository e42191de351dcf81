"""Statistics of measurements, small enough to need no library.

The quantile of Student's t comes from the regularised incomplete beta function, evaluated by its continued
fraction (Numerical Recipes §6.4, modified Lentz), and found by bisection; it agrees with published tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

#: Coefficients of variation below which a series is called stable, and variable; above, it is unstable.
_STABLE, _VARIABLE = 0.05, 0.10


@dataclass(frozen=True, slots=True)
class Summary:
    """What a series of measurements says; `None` is "cannot be known from so few", never zero.

    The median is the headline. `low` and `high` bound the 95 % t interval of the mean. `stddev` is Bessel's,
    pooled within the groups, so that prompts of different lengths do not pass for noise.
    """

    n: int
    median: float
    mean: float
    stddev: float | None
    low: float | None
    high: float | None
    cv: float | None
    stability: str | None


def summarise(groups: Sequence[Sequence[float]]) -> Summary | None:
    """Sum up measurements in groups (one per prompt); `None` when there are none."""
    values = [value for group in groups for value in group]
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    stddev, freedom = _pooled_stddev(groups)
    half = _half_width(stddev, freedom, len(values))
    cv = stddev / abs(mean) if stddev is not None and mean else None
    return Summary(
        n=len(values),
        median=median(values),
        mean=mean,
        stddev=stddev,
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
        cv=cv,
        stability=_stability(cv),
    )


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones. Raises ValueError when there are none."""
    if not values:
        raise ValueError("the median of nothing")
    ranked, middle = sorted(values), len(values) // 2
    return ranked[middle] if len(ranked) % 2 else math.fsum(ranked[middle - 1 : middle + 1]) / 2


@cache
def t_quantile(probability: float, freedom: int) -> float:
    """Student's t below which `probability` (0.5 to 1, exclusive) of the distribution lies.

    Raises ValueError outside that range or with less than one degree of freedom.
    """
    if not 0.5 <= probability < 1 or freedom < 1:
        raise ValueError("needs 0.5 <= probability < 1 and at least one degree of freedom")
    low, high = 0.0, 1.0
    while _t_below(high, freedom) < probability:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_below(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _pooled_stddev(groups: Sequence[Sequence[float]]) -> tuple[float | None, int]:
    """The spread within groups and its degrees of freedom, Σ(nᵢ − 1)."""
    freedom = sum(len(group) - 1 for group in groups if group)
    if freedom < 1:
        return None, 0
    return math.sqrt(sum(_squares(group) for group in groups if group) / freedom), freedom


def _squares(group: Sequence[float]) -> float:
    mean = math.fsum(group) / len(group)
    return math.fsum((value - mean) ** 2 for value in group)


def _half_width(stddev: float | None, freedom: int, n: int) -> float | None:
    return None if stddev is None else t_quantile(0.975, freedom) * stddev / math.sqrt(n)


def _stability(cv: float | None) -> str | None:
    if cv is None:
        return None
    return "stable" if cv < _STABLE else "variable" if cv < _VARIABLE else "unstable"


def _t_below(t: float, freedom: int) -> float:
    return 1 - _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(scale + a * math.log(x) + b * math.log1p(-x))
    # The fraction converges fast on this side of the mean only; the other side is its mirror image.
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(a, b, x) / a
    return 1 - front * _continued_fraction(b, a, 1 - x) / b


def _continued_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 300):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + numerator * d), 1 + numerator / c
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value
