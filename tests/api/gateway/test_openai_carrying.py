"""A model that nobody has, asked for by OpenAI's clients."""

from __future__ import annotations

from typing import Any

import pytest

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
