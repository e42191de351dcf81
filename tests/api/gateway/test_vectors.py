"""Vectors as short as a client wants them."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest

from api.gateway.dialects import ollama_embed, openai_embeddings
from api.gateway.exchange import Exchange
from api.gateway.names import Names
from api.gateway.vectors import read, shortened, written
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


_SAID = b"""{"data": [{"embedding" : [ 0.6, 0.80,\n 0e0], "index": 1}, {"embedding":[3,4,0],"index":0}],
 "model": "the \\"embedding\\": [engine]'s", "usage": {"prompt_tokens": 2, "total_tokens": 2}}"""
_NAMES = Names(json.loads(_SAID)["model"], 'mine {"": ""}')


def told(exchange: Exchange) -> bytes:
    answer = exchange.whole(read(_SAID, _NAMES.restore))
    assert isinstance(answer, dict)
    return asyncio.run(written(answer))


@pytest.mark.parametrize("more", [{}, {"encoding_format": "base64"}, {"dimensions": 2}])
@pytest.mark.parametrize(
    "exchange_of",
    [openai_embeddings.read, lambda asked: ollama_embed._exchange(asked, {}, ollama_embed._Embedded(asked))],
)
def test_an_answer_is_the_same_whose_vectors_were_not_read(exchange_of: Any, more: dict[str, Any]) -> None:
    exchange = exchange_of({"model": "mine", "input": ["a", "b"], **more})
    quickly = json.loads(told(exchange))
    wholly = json.loads(json.dumps(exchange.whole(json.loads(_NAMES.restore(_SAID)))))
    assert quickly | {"total_duration": 0} == wholly | {"total_duration": 0}


def test_a_vector_that_nobody_changes_is_passed_on_as_it_was_written() -> None:
    assert b"[ 0.6, 0.80,\n 0e0]" in told(openai_embeddings.read({"model": "m", "input": "a"}))


@pytest.mark.parametrize("more", [{}, {"encoding_format": "base64"}, {"dimensions": 2}])
def test_others_have_a_turn_after_each_vector(more: dict[str, Any]) -> None:
    said = json.dumps({"data": [{"embedding": [0.6, 0.8, 0.0]}] * 50}).encode()
    answer = openai_embeddings.read({"model": "m", "input": "a", **more}).whole(read(said, bytes))
    assert isinstance(answer, dict)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def write() -> None:
        beside = asyncio.create_task(others())
        await written(answer)
        beside.cancel()

    asyncio.run(write())
    assert turns >= 50


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
