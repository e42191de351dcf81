"""Thoughts of a model in a field of their own, `reasoning_content`, whatever its engine does with them.

llama.cpp calls the field so, mlx-lm `reasoning`, and engines that do not know a model's template leave `<think>` tags
in the text. None of them says how many tokens it thought, so that is told here: of a stream, the pieces that were
thought, each of which is a token; of a whole answer, its tokens by the share of the letters.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from api.gateway.exchange import Beginning
from api.gateway.pieces import Text, Thought
from api.gateway.thinking import ThinkParser, split_thinking

FIELD = "reasoning_content"
_CLOSE = "</think>"
#: Of a chunk that has to be read after all; in a text the quotes would have backslashes.
_OTHER_NAME, _NAME, _USAGE = b'"reasoning"', b'"reasoning_content"', b'"usage"'
#: The same: some engines have the field in every chunk.
_NO_THOUGHT = re.compile(rb'"reasoning_content"\s*:\s*(?:null|"")')


class ThoughtsApart:
    """A mend; `keep` false leaves thoughts out altogether. `choices`: answers of one request, which think apart.

    Where the prompt has opened the thought, text before its end is thought, unless the engine puts thoughts apart. An
    answer that ends of itself in such a thought was none: what it said is told as its text.
    """

    def __init__(self, *, keep: bool = True, choices: int = 1, beginning: Beginning | None = None) -> None:
        self._keep = keep
        self._beginning = beginning or Beginning()
        #: What was said in thoughts that the prompt has opened and nobody has closed, by choice.
        self._unclosed: dict[int, str] = {}
        self._parsers: dict[int, ThinkParser] = {}
        self._choices = choices
        #: Choices of which all that follows is answer.
        self._answering: set[int] = set()
        #: Pieces that were thought, by choice.
        self._thoughts = Counter[int]()
        #: Choices that have ended since tokens were last counted of nobody in particular.
        self._ended: set[int] = set()

    def whole(self, said: dict[str, Any]) -> dict[str, Any]:
        thoughts = letters = 0
        for choice in said.get("choices") or ():
            message = choice.get("message") or {}
            thought, text = _own(message), message.get("content")
            if thought is None and isinstance(text, str):
                opened = self._beginning.inside and (_CLOSE in text or choice.get("finish_reason") == "length")
                thought, message["content"] = split_thinking(text, opened=opened)
            self._put(message, thought)
            thoughts += len(thought or "")
            letters += len(thought or "") + _letters(message)
        if thoughts and isinstance(used := said.get("usage"), dict):
            _count(used, round((used.get("completion_tokens") or 0) * thoughts / letters))
        return said

    def chunk(self, event: bytes) -> Sequence[bytes]:
        # Nearly all chunks are pieces of the answer and go through unread: reading them would cost most of the time.
        if self._goes_through(event):
            if _NAME in event and _NO_THOUGHT.search(event) is None:
                self._thoughts[0] += 1
            return (event,)
        chunk = json.loads(event)
        for choice in chunk.get("choices") or ():
            self._choice(choice)
        if self._thoughts and isinstance(used := chunk.get("usage"), dict):
            _count(used, self._thoughts_of(chunk))
        return (json.dumps(chunk, ensure_ascii=False).encode(errors="replace"),) if _tells(chunk) else ()

    def rest(self) -> Sequence[bytes]:
        held = [
            {"index": index, "delta": delta, "finish_reason": None}
            for index, parser in self._parsers.items()
            if (delta := self._delta(parser.end()))
        ]
        return [json.dumps({"choices": held}).encode()] if held else []

    def _goes_through(self, event: bytes) -> bool:
        thinks = _NAME in event
        if len(self._answering) < self._choices or _OTHER_NAME in event or (thinks and not self._keep):
            return False
        if self._choices > 1:
            # The thoughts of each are counted by themselves.
            return not (thinks or self._thoughts)
        return not (self._thoughts and _USAGE in event)

    def _thoughts_of(self, chunk: dict[str, Any]) -> int:
        """Of those whose tokens a chunk counts: its own choices, else those that have ended, else all there are."""
        own = {choice.get("index") or 0 for choice in chunk.get("choices") or ()}
        counted = own or self._ended or set(self._thoughts)
        if not own:
            self._ended = set()
        return sum(self._thoughts[index] for index in counted)

    def _choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index") or 0
        delta = choice["delta"] = choice.get("delta") or {}
        if index not in self._parsers:
            self._parsers[index] = ThinkParser(opened=self._beginning.inside)
        parser = self._parsers[index]
        said: list[Text | Thought] = []
        if (thought := _own(delta)) is not None:
            # The engine splits by itself: its text is all answer.
            said = [*parser.end(), Thought(thought)]
            self._answering.add(index)
        if index not in self._answering:
            said += parser.feed(delta.pop("content")) if delta.get("content") else ()
            if self._beginning.inside and parser.thinking:
                self._unclosed[index] = self._unclosed.get(index, "") + _thought_of(said)
            if choice.get("finish_reason") or delta.get("tool_calls"):
                said += self._last(index, parser, choice.get("finish_reason"))
                self._answering.add(index)
        if parser.answering:
            self._answering.add(index)
        self._note(index, said, choice.get("finish_reason"))
        delta.update(self._delta(said))

    def _note(self, index: int, said: Iterable[Text | Thought], reason: str | None) -> None:
        if any(isinstance(piece, Thought) for piece in said):
            self._thoughts[index] += 1
        if reason:
            self._ended.add(index)

    def _last(self, index: int, parser: ThinkParser, reason: str | None) -> list[Text | Thought]:
        """What was held back, and the whole once more as text where a thought was taken for one by mistake."""
        thinking, rest = parser.thinking, parser.end()
        if not (self._beginning.inside and thinking and reason == "stop"):
            return rest
        return [*rest, Text(self._unclosed.pop(index, "") + _thought_of(rest))]

    def _delta(self, said: Iterable[Text | Thought]) -> dict[str, str]:
        said = list(said)
        parts = {
            FIELD: "".join(piece.text for piece in said if isinstance(piece, Thought) and self._keep),
            "content": "".join(piece.text for piece in said if isinstance(piece, Text)),
        }
        return {name: text for name, text in parts.items() if text}

    def _put(self, message: dict[str, Any], thought: str | None) -> None:
        if thought and self._keep:
            message[FIELD] = thought


def _thought_of(said: Iterable[Text | Thought]) -> str:
    return "".join(piece.text for piece in said if isinstance(piece, Thought))


def _own(spoken: dict[str, Any]) -> str | None:
    """The thought that the engine itself has put apart, taken out."""
    found = [spoken.pop(name, None) for name in (FIELD, "reasoning")]
    return next((thought for thought in found if isinstance(thought, str) and thought), None)


def _letters(message: dict[str, Any]) -> int:
    """Of what the model said beside its thoughts."""
    calls = [(call.get("function") or {}).get("arguments") for call in message.get("tool_calls") or ()]
    return sum(len(text) for text in (message.get("content"), *calls) if isinstance(text, str))


def _count(used: dict[str, Any], thoughts: int) -> None:
    """What the engine itself has counted stays."""
    details = used.get("completion_tokens_details") or {}
    if not details.get("reasoning_tokens"):
        most = used.get("completion_tokens") or 0
        used["completion_tokens_details"] = details | {"reasoning_tokens": min(thoughts, most)}


def _tells(chunk: dict[str, Any]) -> bool:
    """Not so a chunk whose whole text is held back."""
    choices = chunk.get("choices")
    if not choices or chunk.get("usage") or "prompt_progress" in chunk:
        return True
    return any(one["delta"] or one.get("finish_reason") or one.get("logprobs") for one in choices)
