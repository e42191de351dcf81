"""Runs: what to load, and what is loaded."""

from __future__ import annotations

from typing import Any, Literal

from api.schemas.base import In, Out
from shared.runtimes import RunSpec
from shared.vocabulary import Capability, Priority, RunState


class RunIn(In):
    """A model to load. Without `runtime` or `host` the scheduler chooses."""

    model: str
    #: What it is for; unset: the first thing the model can do.
    capability: Capability | None = None
    runtime: str | None = None
    host: str | None = None
    priority: Priority = Priority.HIGH
    spec: RunSpec = RunSpec()


class RunOut(Out):
    id: str
    object: Literal["run"] = "run"
    state: RunState
    generation: int
    model: str
    capability: Capability
    priority: Priority
    host: str | None
    runtime: str | None
    wanted_host: str | None
    wanted_runtime: str | None
    slots: int
    #: Slots that live attempts hold.
    slots_used: int = 0
    context: int
    #: Estimated bytes, and by cause.
    memory_need: int
    memory_parts: dict[str, Any]
    #: Reserved on the host now; measured now; measured at most.
    memory_held: int
    memory_used: int | None
    memory_peak: int | None
    #: Measured now less what is held: above zero it uses more than was reserved; `None` when it holds nothing.
    drift: int | None = None
    pid: int | None
    pinned: bool
    keep_alive: float
    owner_job: str | None
    load_seconds: float | None
    stop_reason: str | None
    blocked_by: dict[str, Any] | None
    error: dict[str, Any] | None
    endpoint: dict[str, Any] | None
    created_at: float
    ready_at: float | None
    last_used_at: float | None
    ended_at: float | None
