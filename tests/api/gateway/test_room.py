"""How much context a request needs, and which runs have it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from api.gateway import room
from api.gateway.routing import Candidate
from shared.errors import CannotFit
from shared.vocabulary import RunState

_RUN = Candidate("a", 1, RunState.READY, "mini", "m", 4, 0)


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"messages": [{"role": "user", "content": "word" * 100}]}, 108),
        ({"prompt": "word" * 100}, 108),
        ({"prompt": [1, 2, 3]}, 3),
        ({"input": ["word" * 100, "word"]}, 108),
        ({"input": [[1, 2], [3]]}, 2),
        ({"input": []}, 0),
        ({"prompt": [[["word"]]]}, 1),
        ({"prompt": json.loads("[" * 900 + "]" * 900)}, 1),
    ],
)
def test_tokens_are_guessed_from_whatever_a_request_asks(body: dict[str, object], tokens: int) -> None:
    assert room.guess(body) == tokens


def test_a_run_has_room_for_a_prompt_and_an_answer() -> None:
    runs = [replace(_RUN, context=512), replace(_RUN, context=2048)]
    assert room.roomy(runs, 511) == tuple(runs)
    assert room.roomy(runs, 512) == (runs[1],)
    assert room.differ(runs)
    assert not room.differ(runs[:1])


@pytest.mark.parametrize(
    ("tokens", "answer", "most", "context"),
    [(600, 100, 8192, 1024), (600, None, 8192, 2048), (600, 424, 8192, 1024), (8000, None, 8192, 8192)],
)
def test_a_long_request_gets_room_for_its_answer(tokens: int, answer: object, most: int, context: int) -> None:
    assert room.wanted("m", tokens, answer, most) == context


@pytest.mark.parametrize(("most", "why"), [(None, "nobody knows"), (600, "600 at most")])
def test_more_than_the_model_can_have_is_told(most: int | None, why: str) -> None:
    with pytest.raises(CannotFit, match=why):
        room.wanted("m", 600, None, most)
