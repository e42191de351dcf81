"""Readings for tests, written in GiB."""

from __future__ import annotations

from typing import Any

from shared.units import GIB, Bytes
from workers.agent.memory.reading import Reading


def gib(number: float) -> Bytes:
    return Bytes(int(number * GIB))


def reading(total: float = 64, idle: float = 40, own: float = 0, **more: Any) -> Reading:
    """A machine whose runs can give nothing back of what they hold; all sizes in GiB."""
    sizes: dict[str, Any] = {
        name: gib(value) if isinstance(value, int | float) else value for name, value in more.items()
    }
    kept = sizes.pop("own_kept", gib(own))
    return Reading(total=gib(total), idle=gib(idle), own=gib(own), own_kept=kept, **sizes)
