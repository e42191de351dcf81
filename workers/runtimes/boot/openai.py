"""Replies of OpenAI's chat, completion, embedding and model endpoints, as plain dictionaries."""

from __future__ import annotations

import time
from itertools import count
from typing import Any, NamedTuple

_numbers = count(1)


class Tokens(NamedTuple):
    """How many tokens went in and came out."""

    prompt: int
    completion: int

    def usage(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
        }


class Reply:
    """One answer in the making: `chat` says in which of the two dialects."""

    def __init__(self, model: str, *, chat: bool) -> None:
        self._chat = chat
        self._id = f"{'chatcmpl' if chat else 'cmpl'}-{next(_numbers)}"
        self._model = model
        self._created = int(time.time())

    def whole(self, text: str, finish: str, tokens: Tokens) -> dict[str, Any]:
        """The answer in one piece."""
        content = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        kind = "chat.completion" if self._chat else "text_completion"
        return self._shape(kind, [self._choice(content, finish)]) | {"usage": tokens.usage()}

    def opening(self) -> dict[str, Any]:
        """The first chunk of a stream: it alone names the role."""
        return self._chunk({"role": "assistant", "content": ""}, "", None)

    def piece(self, text: str) -> dict[str, Any]:
        return self._chunk({"content": text}, text, None)

    def closing(self, finish: str) -> dict[str, Any]:
        return self._chunk({}, "", finish)

    def counted(self, tokens: Tokens) -> dict[str, Any]:
        """The last chunk, sent only when asked for: usage and no choices."""
        return self._shape(self._chunk_kind, []) | {"usage": tokens.usage()}

    @property
    def _chunk_kind(self) -> str:
        return "chat.completion.chunk" if self._chat else "text_completion"

    def _chunk(self, delta: dict[str, Any], text: str, finish: str | None) -> dict[str, Any]:
        content = {"delta": delta} if self._chat else {"text": text}
        return self._shape(self._chunk_kind, [self._choice(content, finish)])

    @staticmethod
    def _choice(content: dict[str, Any], finish: str | None) -> dict[str, Any]:
        return {"index": 0, **content, "logprobs": None, "finish_reason": finish}

    def _shape(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }


def embeddings(model: str, vectors: list[Any], prompt_tokens: int) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def model_list(name: str) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "cidermill"}]}
