"""Identifiers that sort by the time they were made."""

from __future__ import annotations

import os
import time

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """A sortable identifier: `prefix_` and 26 base-32 letters, 48 bits of milliseconds then 80 random bits."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    letters = [_CROCKFORD[(number >> shift) & 31] for shift in range(125, -5, -5)]
    return f"{prefix}_{''.join(letters)}"
