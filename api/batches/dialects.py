"""The dialects of batches, by the name that a batch keeps."""

from __future__ import annotations

from api.batches.anthropic import Anthropic
from api.batches.contract import Dialect
from api.batches.openai import OpenAi

_DIALECTS: dict[str, Dialect] = {"openai": OpenAi(), "anthropic": Anthropic()}


def dialect_of(name: str) -> Dialect:
    """Raises KeyError for a name that no batch has."""
    return _DIALECTS[name]
