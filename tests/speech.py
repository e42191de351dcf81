"""Real speech with a known text, and how far a transcript is from it."""

from __future__ import annotations

import re
from pathlib import Path

import jiwer

from cli.demo.material import TWO_CITIES
from tests.models import package, whisper_tiny

TEXT = TWO_CITIES
AUDIO = package("moonshine_voice") / "assets" / "two_cities.wav"
MODEL = Path(whisper_tiny().path)


def word_error_rate(reference: str, hypothesis: str) -> float:
    """(substitutions + deletions + insertions) / words, case and punctuation aside."""
    return float(jiwer.wer(_words(reference), _words(hypothesis)))


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))
