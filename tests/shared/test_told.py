"""Numbers of others are taken only where they can be true."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shared.told import MOST, MOST_BYTES, amount, count, extent, size, within


@pytest.mark.parametrize("said", [math.nan, math.inf, -math.inf, -1, -0.5, MOST + 1, 2**70, 1e300, "7", True, None, []])
def test_what_cannot_be_true_was_not_told(said: Any) -> None:
    assert (amount(said), count(said)) == (None, 0)


@pytest.mark.parametrize("said", [0, 7, 7.0, MOST])
def test_what_can_be_true_is_taken_as_it_is(said: float) -> None:
    assert (amount(said), count(said)) == (said, said)


def test_half_of_a_token_is_none() -> None:
    assert (amount(0.5), count(0.5)) == (0.5, 0)


@pytest.mark.parametrize(
    ("said", "taken"), [(0, 0), (MOST_BYTES, MOST_BYTES), (-1, None), (10**400, None), (None, None)]
)
def test_bytes_that_cannot_be_true_were_not_told(said: int | None, taken: int | None) -> None:
    assert size(said) == taken


@pytest.mark.parametrize(("said", "taken"), [(-5, 0), (7, 7), (10**400, MOST_BYTES)])
def test_bytes_that_must_be_told_are_taken_as_near_as_can_be(said: int, taken: int) -> None:
    assert within(said) == taken


@pytest.mark.parametrize(("said", "taken"), [(math.nan, None), (math.inf, None), (-1.0, None), (2.0**41, 2.0**41)])
def test_how_much_there_is_may_be_bytes(said: float, taken: float | None) -> None:
    assert extent(said) == taken
