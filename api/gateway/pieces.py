"""What a model says, in pieces: the neutral form of every chat answer, whole or streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.assembly import stop_word
from shared.told import amount, count


@dataclass(frozen=True, slots=True)
class Text:
    """Of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """Of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """Of a tool call: the first piece of each `index` has id and name, all have a piece of the arguments' JSON."""

    index: int
    id: str | None
    name: str | None
    arguments: str

    def grown(self, more: Call) -> Call:
        """With its next piece."""
        return replace(self, arguments=self.arguments + more.arguments)


@dataclass(frozen=True, slots=True)
class End:
    """Why the model stopped: `stop`, `length`, `tool_calls` or `content_filter`; and at which stop sequence."""

    reason: str
    sequence: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens: of the prompt, how many of those were still in the cache, of the answer, how many of those were thought.

    Of a recording, its seconds.
    """

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    audio: float = 0.0
    reasoning: int = 0

    def __bool__(self) -> bool:
        return self != _NOTHING

    def __add__(self, more: Usage) -> Usage:
        return Usage(
            self.prompt + more.prompt,
            self.cached + more.cached,
            self.completion + more.completion,
            self.audio + more.audio,
            self.reasoning + more.reasoning,
        )


_NOTHING = Usage()

Piece = Text | Thought | Call | End | Usage


@dataclass(slots=True)
class Answer:
    """All that a model said; each tool call in one piece."""

    text: str = ""
    thought: str = ""
    calls: list[Call] = field(default_factory=list)
    reason: str = "stop"
    sequence: str | None = None
    usage: Usage = field(default_factory=Usage)

    def add(self, piece: Piece) -> None:
        match piece:
            case Text(text):
                self.text += text
            case Thought(text):
                self.thought += text
            case End(reason, sequence):
                self.reason, self.sequence = reason, sequence
            case Usage():
                self.usage = piece
            case Call():
                self._call(piece)

    def _call(self, piece: Call) -> None:
        """Pieces of several may come at the same time."""
        for place, call in enumerate(self.calls):
            if call.index == piece.index:
                self.calls[place] = call.grown(piece)
                return
        self.calls.append(piece)


def answer_of(said: Mapping[str, Any]) -> Answer:
    """An engine's whole answer."""
    answer = Answer()
    for piece in pieces_of(said):
        answer.add(piece)
    return answer


def pieces_of(said: Mapping[str, Any]) -> Iterator[Piece]:
    """The pieces of an engine's chunk, or of its whole answer, of which only the first choice counts."""
    for choice in (said.get("choices") or ())[:1]:
        yield from _spoken(choice.get("delta") or choice.get("message") or {})
        if choice.get("finish_reason"):
            reason = reason_of(choice["finish_reason"])
            yield End(reason, stop_word(said, choice) if reason == "stop" else None)
    if said.get("usage"):
        yield usage_of(said["usage"])


def usage_of(said: Any) -> Usage:
    """OpenAI's `usage`, as an engine tells it: what cannot be true counts as not told."""
    counts = _fields(said)
    return Usage(
        prompt=count(counts.get("prompt_tokens")),
        cached=count(_fields(counts.get("prompt_tokens_details")).get("cached_tokens")),
        completion=count(counts.get("completion_tokens")),
        audio=amount(counts.get("seconds")) or 0.0,
        reasoning=count(_fields(counts.get("completion_tokens_details")).get("reasoning_tokens")),
    )


def _fields(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, Mapping) else {}


def _spoken(delta: Mapping[str, Any]) -> Iterator[Piece]:
    # llama.cpp calls it `reasoning_content`, mlx-lm `reasoning`.
    thought = delta.get("reasoning_content") or delta.get("reasoning")
    if thought:
        yield Thought(thought)
    if delta.get("content"):
        yield Text(delta["content"])
    for position, call in enumerate(delta.get("tool_calls") or ()):
        function = call.get("function") or {}
        index = call.get("index")
        yield Call(
            position if index is None else index, call.get("id"), function.get("name"), function.get("arguments") or ""
        )


def reason_of(word: str) -> str:
    """Why an answer ended, in OpenAI's words: some engines say `tool_call` or `eos`."""
    return {"tool_call": "tool_calls", "function_call": "tool_calls", "eos": "stop"}.get(word, word)
