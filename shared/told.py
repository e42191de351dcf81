"""Numbers that engines and hosts tell: taken as told where they can be true, and else as not told.

What one of them makes up must reach neither a sum nor a database: PostgreSQL refuses what is no number or too large,
and JSON knows neither.
"""

from __future__ import annotations

from typing import Any

#: Tokens, seconds or joules of one thing: more than any has, and so little that no sum of them is too large to store.
MOST = 2**40


#: Bytes of anything, also of all disks of a host.
MOST_BYTES = 2**56


def amount(said: Any) -> float | None:
    """A number from 0 to `MOST`; `None`: it was not told, or cannot be true."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return float(said) if 0 <= said <= MOST else None


def count(said: Any) -> int:
    """A whole number from 0 to `MOST`; 0 when none was told."""
    known = amount(said)
    return int(known) if known is not None and known.is_integer() else 0


def size(said: int | None) -> int | None:
    """Bytes or places from 0 to `MOST_BYTES`; `None`: it was not told, or cannot be true."""
    return said if said is not None and 0 <= said <= MOST_BYTES else None


def within(said: int) -> int:
    """Bytes that must be told, at the nearest that can be true."""
    return min(max(said, 0), MOST_BYTES)


def extent(said: float | None) -> float | None:
    """How much of something there is, which may be bytes; `None`: it was not told, or cannot be true."""
    return said if said is not None and 0 <= said <= MOST_BYTES else None
