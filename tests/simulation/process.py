"""The process of a load: what really uses memory on a machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Process:
    """It uses its memory, in bytes, from when it starts until it is reaped, whatever the rows say."""

    host: str
    worker: str
    memory: int
