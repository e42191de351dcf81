"""Quantities: bytes, and how people write them."""

from __future__ import annotations

import re
from typing import NewType

Bytes = NewType("Bytes", int)

KIB, MIB, GIB = 1024, 1024**2, 1024**3

_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*$", re.IGNORECASE)
_LONGEST = 32
_EXPONENT = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def format_bytes(size: float) -> str:
    """`1536` becomes `1.5 KiB`; negative sizes keep their sign."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def parse_bytes(text: object) -> Bytes:
    """`"8GiB"`, `"8G"` and `"8g"` are 8 × 1024³; `"8GB"` is 8 × 1000³; a bare number is bytes.

    Raises ValueError when it is not a size.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return Bytes(text)
    match = _SIZE.match(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    if match is None or not isinstance(text, str):
        raise ValueError(f"{text!r} is not a size such as 512MiB, 8GiB or 8GB")
    number, letter, binary = match.groups()
    decimal = text.strip().lower().endswith("b") and letter and not binary
    return Bytes(int(float(number) * (1000 if decimal else 1024) ** _EXPONENT[letter.lower()]))
