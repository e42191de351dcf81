"""Keeping what a model thinks apart from what it answers, for engines that leave `<think>` tags in the text.

A model thinks once, before it answers: only a tag that begins the answer opens a thought, so that an answer about tags
stays whole. A template may have opened it in the prompt; then the text begins inside. A thought that is never closed
goes on to the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

from api.gateway.pieces import Text, Thought

_OPEN, _CLOSE = "<think>", "</think>"
#: What models write that were made to think by their prompt.
_LONE = re.compile(r"</think>[ \t]*(?:\r?\n|$)")


class _At(Enum):
    BEGIN = auto()
    THOUGHT_BEGIN = auto()
    THOUGHT = auto()
    ANSWER_BEGIN = auto()
    ANSWER = auto()


class ThinkParser:
    """Takes a text in pieces of any size; what it has said after `end` does not depend on where the text was cut.

    At most seven characters, and white space around tags, wait for the next piece.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self._at = _At.THOUGHT_BEGIN if opened else _At.BEGIN
        self._rest = ""

    @property
    def thinking(self) -> bool:
        """A thought is open."""
        return self._at in (_At.THOUGHT_BEGIN, _At.THOUGHT)

    @property
    def answering(self) -> bool:
        """All that follows is answer, and nothing is held back."""
        return self._at is _At.ANSWER

    def feed(self, text: str) -> list[Text | Thought]:
        """What is sure now."""
        self._rest += text
        return list(self._sure())

    def end(self) -> list[Text | Thought]:
        """What was held back: half a tag is no tag."""
        rest, self._rest = self._rest, ""
        if not rest or (self._at in (_At.THOUGHT_BEGIN, _At.ANSWER_BEGIN) and not rest.strip()):
            return []
        return [Thought(rest) if self._at in (_At.THOUGHT_BEGIN, _At.THOUGHT) else Text(rest)]

    def _sure(self) -> Iterator[Text | Thought]:
        if self._at is _At.BEGIN:
            self._begin()
        if self._at is _At.THOUGHT_BEGIN:
            self._skip_space(_At.THOUGHT)
        if self._at is _At.THOUGHT:
            yield from self._thought()
        if self._at is _At.ANSWER_BEGIN:
            self._skip_space(_At.ANSWER)
        if self._at is _At.ANSWER and self._rest:
            yield Text(self._rest)
            self._rest = ""

    def _begin(self) -> None:
        said = self._rest.lstrip()
        if said.startswith(_OPEN):
            self._at, self._rest = _At.THOUGHT_BEGIN, said[len(_OPEN) :]
        elif not _OPEN.startswith(said):
            self._at = _At.ANSWER

    def _skip_space(self, then: _At) -> None:
        self._rest = self._rest.lstrip()
        if self._rest:
            self._at = then

    def _thought(self) -> Iterator[Thought]:
        before, tag, after = self._rest.partition(_CLOSE)
        if tag:
            self._at, self._rest = _At.ANSWER_BEGIN, after
        else:
            held = _begun(before)
            before, self._rest = before[: len(before) - held], before[len(before) - held :]
        if before:
            yield Thought(before)


def told_to_think(how: bool | str) -> dict[str, Any]:
    """Fields of an engine's request: whether the model thinks first, or how hard (`none`: not at all).

    Templates that leave it to the model take no notice.
    """
    if isinstance(how, bool):
        return {"chat_template_kwargs": {"enable_thinking": how}}
    return {"chat_template_kwargs": {"enable_thinking": how != "none", "reasoning_effort": how}}


def split_thinking(text: str, *, opened: bool = False) -> tuple[str, str]:
    """The thought and the answer of a whole text; `opened`: it is known to begin inside a thought.

    A lone `</think>` at the end of a line means that all before it was thought: the template opened it in the prompt.
    Elsewhere in a line, or after a `<think>`, it is what the text is about.
    """
    begun = text.lstrip().startswith(_OPEN)
    parser = ThinkParser(opened=not begun and (opened or _closes_alone(text)))
    said = parser.feed(text) + parser.end()
    thought = "".join(piece.text for piece in said if isinstance(piece, Thought))
    return thought, "".join(piece.text for piece in said if isinstance(piece, Text))


def strip_thinking(text: str) -> str:
    """Only the answer."""
    return split_thinking(text)[1]


def _closes_alone(text: str) -> bool:
    lone = _LONE.search(text)
    return lone is not None and _OPEN not in text[: lone.start()]


def _begun(text: str) -> int:
    """Characters at the end of a text that may be the beginning of a closing tag."""
    return next((size for size in range(len(_CLOSE) - 1, 0, -1) if text.endswith(_CLOSE[:size])), 0)
