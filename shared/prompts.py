"""The prompts that benchmarks ask: a built-in set, the user's own, and texts that fill a context."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from itertools import cycle, islice

_PASSAGE = (
    "The harbour woke before the town did. Fishing boats left one by one, each with a lamp at the mast, and the "
    "keeper of the light wrote their names into a book that his grandmother had begun. He noted the wind, the "
    "height of the water and the colour of the sky, because the insurers in the city paid for such things, and "
    "because he liked to read the old pages in winter. On some days there was little to write. On others a ship "
    "came in that nobody had expected, with timber, or oranges, or a family that wanted to stay. Then the whole "
    "street came down to look, children first, and the baker sent bread without being asked. In the evening the "
    "keeper climbed the stairs, counted them as he always did, and lit the lamp again. "
)

#: By name, from a few tokens to some hundred.
PROMPTS = {
    "short": "Explain in a few sentences why the sky is blue in daytime and red at sunset.",
    "code": (
        "Write a Python class for a thread-safe cache with a maximum size and a time to live for each entry. It "
        "evicts what was used least recently, has methods get, put and delete, counts hits and misses, and comes "
        "with type hints and unit tests. Explain the choice of data structures at the end."
    ),
    "reasoning": (
        "A tank has two pipes that fill it and one that drains it. The first fills it in 6 hours, the second in 4, "
        "and the drain empties it in 12. Both filling pipes are opened at 8:00, the drain is opened by mistake at "
        "9:00, and it is noticed and closed at 10:30. When is the tank full? Think step by step, then check the "
        "answer by another way."
    ),
    "long": (
        _PASSAGE * 4 + "Summarise the passage above in detail, then continue the story of the keeper for "
        "several paragraphs in the same voice."
    ),
}


@dataclass(frozen=True, slots=True)
class BenchmarkPrompt:
    """A prompt to measure; `fill` asks for a text of that many tokens in place of its own."""

    name: str
    text: str
    fill: int | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """How many tokens an engine counts: so many for the chat template, and so many for each word of filler."""

    template: float = 0.0
    per_word: float = 1.3

    @classmethod
    def between(cls, short: tuple[int, int], long: tuple[int, int]) -> Scale:
        """From two measurements of (words, tokens)."""
        per_word = max((long[1] - short[1]) / (long[0] - short[0]), 0.1)
        return cls(max(short[1] - short[0] * per_word, 0.0), per_word)

    def words(self, tokens: int) -> int:
        """How many words of filler make a prompt of about that many tokens."""
        return max(round((tokens - self.template) / self.per_word), 1)


def filler(words: int) -> str:
    """That many words of prose."""
    return " ".join(islice(cycle(_PASSAGE.split()), words))


def unlike(text: str) -> str:
    """The text with a number at its start that no prompt had before.

    At the start, so that an engine can reuse nothing of an earlier prompt; at the end all before it could be reused.
    """
    return f"[{secrets.token_hex(4)}] {text}"
