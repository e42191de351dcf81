"""Counts from files that nobody vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LARGEST = 2**40


def count(config: Mapping[str, Any], *keys: str) -> int | None:
    """The first of `keys` that holds a positive count that makes sense."""
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST:
            return value
    return None
