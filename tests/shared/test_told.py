"""Numbers of others are taken only where they can be true."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shared.told import MOST, amount, count


@pytest.mark.parametrize("said", [math.nan, math.inf, -math.inf, -1, -0.5, MOST + 1, 2**70, 1e300, "7", True, None, []])
def test_what_cannot_be_true_was_not_told(said: Any) -> None:
    assert (amount(said), count(said)) == (None, 0)


@pytest.mark.parametrize("said", [0, 7, 7.0, MOST])
def test_what_can_be_true_is_taken_as_it_is(said: float) -> None:
    assert (amount(said), count(said)) == (said, said)


def test_half_of_a_token_is_none() -> None:
    assert (amount(0.5), count(0.5)) == (0.5, 0)
