"""What the echo model says: deterministic words, counts and vectors. A token is a word."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from itertools import cycle, islice
from typing import Any

_DIMENSIONS = 16


def chat_prompt(body: dict[str, Any]) -> tuple[str, int]:
    """The last user message and the words of all messages. Raises ValueError."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError("`messages` must be a list with at least one message")
    texts = [(message.get("role"), _content(message.get("content"))) for message in messages]
    last = next((text for role, text in reversed(texts) if role == "user"), texts[-1][1])
    return last, sum(len(text.split()) for _, text in texts)


def completion_prompt(body: dict[str, Any]) -> tuple[str, int]:
    """The prompt and its words. Raises ValueError."""
    prompt = body.get("prompt")
    if isinstance(prompt, list):
        prompt = " ".join(str(part) for part in prompt)
    if not isinstance(prompt, str):
        raise ValueError("`prompt` must be a string")
    return prompt, len(prompt.split())


def answer(prompt: str, tokens: int | None, limit: int | None) -> tuple[list[str], str]:
    """The prompt's words repeated or cut to `tokens`, at most `limit`, and why it ends there."""
    words = prompt.split() or ["…"]
    wanted = len(words) if tokens is None else tokens
    given = wanted if limit is None else min(wanted, limit)
    if given != len(words):
        words = list(islice(cycle(words), given))
    return words, "length" if given < wanted else "stop"


def pieces(words: list[str]) -> list[str]:
    """The words as a tokenizer would stream them: joined, they are the answer."""
    return [word if index == 0 else f" {word}" for index, word in enumerate(words)]


def embedding_inputs(body: dict[str, Any]) -> list[Any]:
    """One entry for each vector asked for: strings or lists of token ids. Raises ValueError."""
    given = body.get("input")
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise ValueError("`input` must be a string, or a list of strings or token ids")
    return [given] if isinstance(given[0], int) else given


def vector(text: Any, form: str) -> list[float] | str:
    """A unit vector that depends on the text alone; base64 of little-endian float32 when asked."""
    digest = hashlib.shake_256(str(text).encode()).digest(_DIMENSIONS * 4)
    numbers = [value / 2**31 for value in struct.unpack(f"<{_DIMENSIONS}i", digest)]
    length = math.hypot(*numbers)
    unit = [value / length for value in numbers]
    return base64.b64encode(struct.pack(f"<{_DIMENSIONS}f", *unit)).decode() if form == "base64" else unit


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content if isinstance(part, dict))
    raise ValueError("`content` must be a string or a list of parts")
