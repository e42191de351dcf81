"""What OpenAI's clients find beside the answer: a word for a model that nobody has, and headers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.fleet import Fleet
from tests.api.served import Served


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}),
        ("/v1/completions", {"prompt": "hello"}),
        ("/v1/embeddings", {"input": "hello"}),
        ("/v1/responses", {"input": "hello"}),
    ],
)
def test_a_model_that_nobody_has_is_told_in_one_word_everywhere(door: Served, path: str, body: dict[str, Any]) -> None:
    answer = door.post(path, body | {"model": "nobody-has-it"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_says_how_long_it_took(door: Served, fleet: Fleet, engine: str, stream: bool) -> None:
    fleet.ready_run(engine)
    answer = door.post("/v1/completions", {"model": "echo", "prompt": "a b", "stream": stream})
    assert answer.status_code == 200
    assert 0 <= int(answer.headers["openai-processing-ms"]) < 20_000
