"""What several answers to one request took together, where an engine counts each by itself as it ends.

llama.cpp does, for each of `n` choices and each of several prompts; others tell once, of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.told import count

Counts = Mapping[str, Any]


class TokenTotals:
    """OpenAI's `usage`, of all that was counted so far; `choices`: how many answers each prompt has (`n`)."""

    def __init__(self, choices: int = 1) -> None:
        self._choices = max(1, choices)
        #: By the number of the answer: prompt after prompt, and for each its choices.
        self._counted: dict[int, Counts] = {}

    def add(self, chunk: Mapping[str, Any]) -> dict[str, Any] | None:
        """All of it, when a chunk, or a whole answer, tells a count; else `None`."""
        counts = chunk.get("usage")
        if not isinstance(counts, dict):
            return None
        self._counted[self._number(chunk.get("choices"))] = counts
        if len(self._counted) == 1:
            return dict(counts)
        prompt, cached = self._of_prompts(_prompt), self._of_prompts(_cached)
        completion = sum(_completion(each) for each in self._counted.values())
        total = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        thought = sum(_thought(each) for each in self._counted.values())
        details = {"prompt_tokens_details": {"cached_tokens": cached}} if cached else {}
        details |= {"completion_tokens_details": {"reasoning_tokens": thought}} if thought else {}
        return counts | total | details

    def _number(self, choices: Any) -> int:
        if choices:
            return int(choices[0].get("index") or 0)
        # Counts that come alone do not say whose they are: choices end one after the other.
        return len(self._counted) if self._choices > 1 else 0

    def _of_prompts(self, tokens: Callable[[Counts], int]) -> int:
        """Choices of one prompt share it."""
        each: dict[int, int] = {}
        for number, counts in self._counted.items():
            prompt = number // self._choices
            each[prompt] = max(each.get(prompt, 0), tokens(counts))
        return sum(each.values())


def _prompt(counts: Counts) -> int:
    return count(counts.get("prompt_tokens"))


def _completion(counts: Counts) -> int:
    return count(counts.get("completion_tokens"))


def _cached(counts: Counts) -> int:
    return _detail(counts, "prompt_tokens_details", "cached_tokens")


def _thought(counts: Counts) -> int:
    return _detail(counts, "completion_tokens_details", "reasoning_tokens")


def _detail(counts: Counts, of: str, name: str) -> int:
    details = counts.get(of)
    return count(details.get(name)) if isinstance(details, dict) else 0
