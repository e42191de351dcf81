"""Put the pieces of a streamed answer together into the response it would have been without streaming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.call_numbers import CallNumbers
from shared.token_totals import TokenTotals

_HEAD = ("id", "created", "model", "system_fingerprint")
#: What a piece of text may be called, in a chat delta or a completion choice.
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal", "text")


class Assembly:
    """Takes the chunks of one stream in order; `response()` is the whole. `choices`: answers to each prompt (`n`)."""

    def __init__(self, choices: int = 1) -> None:
        self._head: dict[str, Any] = {}
        self._tail: dict[str, Any] = {}
        self._totals = TokenTotals(choices)
        self._choices: dict[int, dict[str, Any]] = {}
        self._calls: dict[int, dict[int, dict[str, Any]]] = {}
        self._numbers: dict[int, CallNumbers] = {}

    def add(self, chunk: dict[str, Any]) -> tuple[str, str]:
        """Take a chunk; return the answer's and the reasoning's new text of the first choice, `""` when none."""
        self._head = self._head or {name: chunk[name] for name in _HEAD if name in chunk}
        # Engines put usage and timings on the last chunks, and some put null on all others.
        if chunk.get("timings"):
            self._tail["timings"] = chunk["timings"]
        if (used := self._totals.add(chunk)) is not None:
            self._tail["usage"] = used
        answer = reasoning = ""
        for choice in chunk.get("choices") or ():
            piece = choice.get("delta") or choice
            self._merge(choice, piece)
            if (word := stop_word(chunk, choice)) is not None:
                self._choices[choice.get("index", 0)]["stop_reason"] = word
            if choice.get("index", 0) == 0:
                answer += piece.get("content") or piece.get("text") or ""
                reasoning += piece.get("reasoning_content") or piece.get("reasoning") or ""
        return answer, reasoning

    @property
    def finished(self) -> bool:
        """Did the engine say why it stopped, for every choice?"""
        return bool(self._choices) and all(choice.get("finish_reason") for choice in self._choices.values())

    def response(self) -> dict[str, Any]:
        """The response, in the shape of `chat.completion` or `text_completion`."""
        choices = [self._choice(index) for index in sorted(self._choices)]
        chat = any("message" in choice for choice in choices)
        kind = "chat.completion" if chat else "text_completion"
        return self._head | {"object": kind, "choices": choices} | self._tail

    def _merge(self, choice: dict[str, Any], piece: dict[str, Any]) -> None:
        index = choice.get("index", 0)
        whole = self._choices.setdefault(index, {"chat": False})
        whole["chat"] |= "delta" in choice
        whole["finish_reason"] = choice.get("finish_reason") or whole.get("finish_reason")
        for name in _TEXTS:
            if piece.get(name):
                whole[name] = whole.get(name, "") + piece[name]
        if isinstance(logprobs := choice.get("logprobs"), dict):
            whole["logprobs"] = _longer(whole.get("logprobs") or {}, logprobs)
        for call in piece.get("tool_calls") or ():
            self._merge_call(index, call)

    def _merge_call(self, index: int, piece: dict[str, Any]) -> None:
        number = self._numbers.setdefault(index, CallNumbers()).of(piece)
        call = self._calls.setdefault(index, {}).setdefault(number, {"type": "function", "function": {}})
        call |= {name: piece[name] for name in ("id", "type") if piece.get(name)}
        for name, text in (piece.get("function") or {}).items():
            call["function"][name] = call["function"].get(name, "") + (text or "")

    def _choice(self, index: int) -> dict[str, Any]:
        whole = self._choices[index]
        end = {"index": index, "finish_reason": whole["finish_reason"]}
        end |= {name: whole[name] for name in ("logprobs", "stop_reason") if name in whole}
        if not whole["chat"]:
            return end | {"text": whole.get("text", "")}
        texts = {name: whole[name] for name in _TEXTS if name in whole and name != "content"}
        message = {"role": "assistant", "content": whole.get("content", "")} | texts
        if calls := self._calls.get(index):
            message["tool_calls"] = [calls[place] for place in sorted(calls)]
        return end | {"message": message}


def stop_word(chunk: Mapping[str, Any], choice: Mapping[str, Any]) -> str | None:
    """Which of the stop sequences ended a choice: vLLM tells it always, llama.cpp when asked to be `verbose`."""
    word = choice.get("stop_reason") or (chunk.get("__verbose") or {}).get("stopping_word")
    return word if isinstance(word, str) and word else None


def _longer(lists: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Probabilities, in lists of one entry for each token, with those of the next tokens."""
    return {name: [*(lists.get(name) or ()), *(more.get(name) or ())] for name in {**lists, **more}}
