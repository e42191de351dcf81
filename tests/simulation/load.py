"""A load of a run on a machine, and the process that really uses memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.protocol import RunRef


@dataclass
class Process:
    """It uses its memory from when it starts until it is reaped, whatever the rows say."""

    host: str
    worker: str
    memory: int


@dataclass
class Load:
    """What a worker knows of a run it was told to start."""

    ref: RunRef
    memory: int
    slots: int
    #: The worker may act on it until then.
    trusted_until: float
    ready: bool = False
    stopping: bool = False


@dataclass
class Execution:
    """What a worker knows of an attempt it has won."""

    job_id: str
    attempt: int
    run: tuple[str, int] | None
    todo: list[int]
    trusted_until: float
    cancelled: bool = False
    fresh: list[int] = field(default_factory=list)
