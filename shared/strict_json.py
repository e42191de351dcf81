"""JSON as its standard has it, where Python takes more."""

from __future__ import annotations

import json
import math
from typing import Any


def strict_json(text: str | bytes) -> Any:
    """What a text says that is JSON to engines and databases, too. Raises ValueError, RecursionError.

    Python also reads numbers that it calls NaN and Infinity, and writes them as JSON that others refuse.
    """
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number[:64]} is no number of JSON, or too large for one")
    return value
