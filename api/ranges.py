"""The `Range` header (RFC 9110 §14): one range of bytes; anything else gets the whole file, as the RFC allows. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


@dataclass(frozen=True)
class Span:
    """`length` bytes from `start`."""

    start: int
    length: int


def read_range(header: str | None, size: int) -> Span | None:
    """The span that is asked for; `None`: the whole file. Raises ValueError when no byte of it exists."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    if start >= size or end < start:
        raise ValueError(f"bytes {header} of {size}")
    return Span(start, end - start + 1)
