"""Word error rate: how far a transcript is from what was said."""

from __future__ import annotations

import re

_WORD = re.compile(r"[a-z0-9']+")


def words(text: str) -> list[str]:
    """Words in lower case, without punctuation."""
    return _WORD.findall(text.lower().replace("’", "'"))


def word_error_rate(said: str, heard: str) -> float:
    """Substituted, left out and added words per word that was said (Levenshtein distance over words)."""
    truth, guess = words(said), words(heard)
    distances = list(range(len(guess) + 1))
    for row, true_word in enumerate(truth, start=1):
        diagonal, distances[0] = distances[0], row
        for column, word in enumerate(guess, start=1):
            substituted = diagonal + (true_word != word)
            diagonal = distances[column]
            distances[column] = min(substituted, distances[column] + 1, distances[column - 1] + 1)
    return distances[-1] / max(len(truth), 1)
