"""The dialects of batches, by the name that a batch keeps."""

from __future__ import annotations

from api.batches.anthropic import Anthropic
from api.batches.contract import Dialect
from api.batches.openai import OpenAi

_ALL: tuple[Dialect, ...] = (OpenAi(), Anthropic())
_BY_NAME = {dialect.name: dialect for dialect in _ALL}


def dialect_of(name: str) -> Dialect:
    """Raises KeyError for a name that no batch has."""
    return _BY_NAME[name]
