"""What is read out of the numbers that engines and workers tell."""

from __future__ import annotations

import math
from typing import Any

import pytest

from api.gateway.pieces import Usage, usage_of
from api.work_charge import of_pieces
from shared.protocol import Item
from shared.usage import Spent


@pytest.mark.parametrize("odd", [math.nan, math.inf, -3, 2**70, "7", [7], {"a": 7}])
def test_odd_counts_count_as_not_told(odd: Any) -> None:
    told = {
        "prompt_tokens": odd,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": odd},
        "completion_tokens_details": {"reasoning_tokens": odd},
        "seconds": odd,
    }
    assert usage_of(told) == Usage(completion=3)
    assert of_pieces([Item(index=0, data={"usage": told, "seconds": odd})]) == Spent(1, completion=3)


@pytest.mark.parametrize("odd", [None, 7, "seven", [], ["prompt_tokens"]])
def test_what_is_no_object_counts_nothing(odd: Any) -> None:
    assert usage_of(odd) == Usage()
    assert usage_of({"prompt_tokens": 7, "prompt_tokens_details": odd}) == Usage(prompt=7)
