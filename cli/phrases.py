"""Quantities as people read them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.units import format_bytes

_STEPS = ((60.0, 1.0, "s"), (3600.0, 60.0, "min"), (86400.0, 3600.0, "h"), (float("inf"), 86400.0, "d"))
#: Seconds up to which minutes are told with their seconds.
_PRECISE = 600.0


def ago(moment: float | None) -> str:
    """`3 min ago`; empty for no moment. Seconds since 1970."""
    return f"{_coarse(max(0.0, time.time() - moment))} ago" if moment is not None else ""


def iso(moment: float | None) -> str:
    """ISO 8601 in UTC, to the second; empty for no moment."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds") if moment is not None else ""


def span(seconds: float | None) -> str:
    """`0.42 s`, `12 s`, `3 min 5 s`, `25 min`, `5 h`, `2 d`."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    if 60 <= seconds < _PRECISE:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return _coarse(seconds)


def _coarse(seconds: float) -> str:
    return next(f"{seconds / unit:.0f} {name}" for limit, unit, name in _STEPS if seconds < limit)


def size(count: float | None) -> str:
    """`1.5 GiB`; empty for unknown."""
    return format_bytes(count) if count is not None else ""


def drift(thing: Mapping[str, Any]) -> str:
    """`1.2 GiB used, 0.3 GiB less than held`; empty while nothing was measured."""
    apart = thing["drift"]
    if apart is None:
        return size(thing["memory_used"])
    than = f"{size(abs(apart))} {'more' if apart > 0 else 'less'} than held" if apart else "just what is held"
    return f"{size(thing['memory_used'])} used, {than}"


#: What keeps a host's memory ceiling from being higher.
_BOUNDS = {
    "fixed": "set by `memory`",
    "reserve": "the rest is reserved for everything else",
    "others": "other applications use the rest now",
    "metal": "all that the GPU may wire",
}


def bound(word: str | None) -> str:
    """Why a ceiling is not higher; an unknown word is left as it is."""
    return _BOUNDS.get(word or "", word or "")


def amount(count: float, unit: str) -> str:
    """`3.1 MiB` for bytes, `12 items`, `44 s`."""
    if unit == "bytes":
        return format_bytes(count)
    return f"{count:.0f} {unit}".rstrip() if count == int(count) else f"{count:.1f} {unit}".rstrip()
