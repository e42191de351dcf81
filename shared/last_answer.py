"""Where the last answer of a talk is in the prompt that a template has made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def last_answer(prompt: str, messages: Any) -> tuple[int, int] | None:
    """Where it begins, and where what is said after it does; tags of the template may be between.

    `None`: there is none, nothing comes after it, or the template has changed what does.
    """
    turns = [turn for turn in messages if isinstance(turn, Mapping)] if isinstance(messages, list) else []
    answers = [place for place, turn in enumerate(turns[:-1]) if turn.get("role") == "assistant"]
    if not answers:
        return None
    last = answers[-1]
    after, answer, before = _texts(turns[last + 1 :]), _texts(turns[last : last + 1]), _texts(turns[:last])[-1:]
    end = _begin(prompt, after)
    if not after or end is None:
        return None
    if answer and (begin := _begin(prompt[:end], answer)) is not None:
        return begin, end
    # It calls tools, as only the template knows how to write.
    begin = _begin(prompt[:end], before)
    return None if begin is None else (begin + sum(map(len, before)), end)


def _begin(prompt: str, texts: Sequence[str]) -> int | None:
    """Of the first of `texts`, which end the prompt one after the other; 0: there are none."""
    place = len(prompt) if texts else 0
    for text in reversed(texts):
        place = prompt.rfind(text, 0, place)
        if place < 0:
            return None
    return place


def _texts(turns: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is said, without the ends that many templates cut off."""
    said = [text for turn in turns for text in _of(turn.get("content"))]
    return [text.strip() for text in said if isinstance(text, str) and text.strip()]


def _of(content: Any) -> list[Any]:
    if not isinstance(content, list):
        return [content]
    return [part.get("text") for part in content if isinstance(part, Mapping)]
