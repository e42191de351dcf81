"""A conversation over `/v1/chat/completions`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cli.client import Client
from cli.output import Json
from cli.problems import error_from, read_problem
from shared.sse import read_events

#: The model may have to be loaded first.
_TIMEOUT = 600.0


class Chat:
    """What was said so far; `options` are sampling fields of every request."""

    def __init__(self, client: Client, model: str, system: str | None, options: Mapping[str, Any]) -> None:
        self.model = model
        self.system = system
        self._client = client
        self._options = options
        self._said: list[Json] = []

    def clear(self) -> None:
        """Forget what was said; the system text stays."""
        self._said.clear()

    def ask(self, text: str) -> Iterator[str]:
        """The answer, piece by piece; an answer that breaks off is not remembered. Raises CidermillError."""
        question = {"role": "user", "content": text}
        system = [{"role": "system", "content": self.system}] if self.system else []
        body = {"model": self.model, "messages": [*system, *self._said, question], "stream": True, **self._options}
        answer: list[str] = []
        with self._client.open("POST", "/v1/chat/completions", json=body, timeout=_TIMEOUT) as reply:
            for event in read_events(reply.iter_raw()):
                if event.data == "[DONE]":
                    break
                piece = _text(json.loads(event.data))
                answer.append(piece)
                yield piece
        self._said += [question, {"role": "assistant", "content": "".join(answer)}]


def _text(chunk: Json) -> str:
    """The text of one chunk. Raises the typed error that a stream carries when it fails half-way."""
    if "error" in chunk:
        raise error_from(read_problem(chunk, 500), 500)
    choices = chunk.get("choices") or [{}]
    return (choices[0].get("delta") or {}).get("content") or ""
