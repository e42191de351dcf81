"""Mistakes of the asker's that llama.cpp answers with 500."""

from __future__ import annotations

#: What the model has no eyes or ears for, and wrong types.
_WORDS = (
    "input is not supported",
    "Failed to parse messages",
    "Failed to parse tools",
    "Failed to parse tool call arguments",
    "Unknown reasoning format",
)


def is_mistake(why: str) -> bool:
    """Whether an engine's error says that asking again cannot help, whatever its status."""
    return any(words in why for words in _WORDS)
