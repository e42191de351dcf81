"""Statistics, against published tables and their own definitions."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.stats import median, summarise, t_quantile

series = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)

#: Student's t for two-sided 95 % and 99 %, from any printed table, to three decimals.
TABLE = {
    0.975: {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 9: 2.262, 10: 2.228, 20: 2.086, 30: 2.042, 120: 1.980},
    0.995: {1: 63.657, 2: 9.925, 5: 4.032, 10: 3.169, 30: 2.750},
}


@pytest.mark.parametrize(("probability", "row"), TABLE.items())
def test_the_t_quantile_agrees_with_the_printed_table(probability: float, row: dict[int, float]) -> None:
    assert {freedom: round(t_quantile(probability, freedom), 3) for freedom in row} == row


def test_the_t_quantile_of_one_degree_of_freedom_is_a_tangent() -> None:
    assert t_quantile(0.9, 1) == pytest.approx(math.tan(math.pi * 0.4), rel=1e-12)


def test_the_t_quantile_nears_the_normal_one() -> None:
    assert t_quantile(0.975, 100_000) == pytest.approx(statistics.NormalDist().inv_cdf(0.975), rel=1e-4)


@pytest.mark.parametrize(("probability", "freedom"), [(0.4, 3), (1.0, 3), (0.975, 0)])
def test_the_t_quantile_refuses_what_it_cannot_answer(probability: float, freedom: int) -> None:
    with pytest.raises(ValueError, match="needs"):
        t_quantile(probability, freedom)


@given(series)
def test_the_median_is_the_standard_one(values: list[float]) -> None:
    assert median(values) == pytest.approx(statistics.median(values))


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_one_group_has_the_standard_deviation_with_bessels_correction(values: list[float]) -> None:
    summary = summarise([values])
    assert summary is not None
    assert summary.stddev == pytest.approx(statistics.stdev(values), abs=1e-9)
    assert summary.low is not None
    assert summary.high is not None
    assert summary.low <= summary.mean <= summary.high


def test_a_difference_between_prompts_is_not_noise() -> None:
    summary = summarise([[10.0, 11.0, 12.0], [100.0, 101.0, 102.0]])
    assert summary is not None
    assert (summary.n, summary.stddev, summary.median) == (6, 1.0, 56.0)


def test_one_measurement_has_no_interval() -> None:
    summary = summarise([[5.0]])
    assert summary is not None
    assert (summary.median, summary.stddev, summary.low, summary.high, summary.cv) == (5.0, None, None, None, None)


def test_nothing_has_no_summary() -> None:
    assert summarise([[], []]) is None


@pytest.mark.parametrize(
    ("values", "word"), [([100, 101], "stable"), ([100, 110], "variable"), ([100, 150], "unstable")]
)
def test_a_word_says_how_stable_it_was(values: list[float], word: str) -> None:
    summary = summarise([values])
    assert summary is not None
    assert summary.stability == word


def test_nineteen_of_twenty_intervals_hold_the_true_mean() -> None:
    chance = random.Random(1)
    held = 0
    for _ in range(2000):
        summary = summarise([[chance.gauss(50, 5) for _ in range(5)]])
        assert summary is not None
        held += (summary.low or 0) <= 50 <= (summary.high or 0)
    assert 0.93 < held / 2000 < 0.97
