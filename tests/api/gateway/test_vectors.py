"""Vectors as short as a client wants them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from api.gateway.dialects import openai_embeddings
from api.gateway.vectors import shortened
from shared.errors import InvalidParameters
from tests.api.fleet import Fleet
from tests.api.served import Served


def test_the_first_numbers_are_brought_to_length_one_again() -> None:
    assert shortened([0.6, 0.0, 0.8], 3) == [0.6, 0.0, 0.8]
    assert shortened([3.0, 4.0, 5.0], 2) == [0.6, 0.8]
    assert shortened([0.0, 0.0, 1.0], 2) == [0.0, 0.0]


def test_a_vector_is_not_made_longer() -> None:
    with pytest.raises(InvalidParameters) as refused:
        shortened([1.0, 0.0], 3)
    assert "2 numbers" in refused.value.problem.why


@pytest.mark.parametrize("wrong", [0, -1, "four", 1.5])
def test_a_length_is_a_whole_number_of_at_least_one(wrong: Any) -> None:
    with pytest.raises(InvalidParameters):
        openai_embeddings.read({"model": "m", "input": "a", "dimensions": wrong})


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_engines_that_ignore_the_wish_are_helped(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine, capability="embed")
    asked = {"model": "echo", "input": ["a", "b"], "dimensions": 4}
    told = door.post("/v1/embeddings", asked).json()["data"]
    ollamas = door.post("/api/embed", asked).json()["embeddings"]
    assert [one["embedding"] for one in told] == ollamas
    for vector in ollamas:
        assert len(vector) == 4
        assert math.hypot(*vector) == pytest.approx(1.0)
    refused = door.post("/v1/embeddings", asked | {"dimensions": 17})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "dimensions")
