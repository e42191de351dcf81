"""Hosts: how they join, are marked and show themselves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from api.schemas.base import In, Out
from api.schemas.runs import RunOut
from shared.jobs.where import LabelName, LabelValue, Taint
from shared.vocabulary import Capability, Format, Guard

HostNameText = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class JoinIn(In):
    name: HostNameText
    labels: dict[LabelName, LabelValue] = Field(default={}, max_length=32)


class HostMarksIn(In):
    """What to change of a host; what is left out stays."""

    #: Merged with those it has; null takes one away.
    labels: dict[LabelName, LabelValue | None] | None = Field(default=None, max_length=32)
    #: In place of those it has: `name=value`, or a name alone.
    taints: list[Taint] | None = Field(default=None, max_length=32)


class MaintenanceIn(In):
    reason: str = Field(min_length=1, max_length=400)


class JoinOut(Out):
    """`token` is shown this once; only its hash is kept."""

    name: str
    token: str


class HostRuntimeOut(Out):
    name: str
    alive: bool
    version: str
    formats: list[Format]
    capabilities: list[Capability]
    default_slots: int
    lane_slots: int


class HostOut(Out):
    name: str
    object: Literal["host"] = "host"
    #: `up`, `silent` (not heard of in time) or `joined` (a token was made, nobody came yet).
    state: Literal["up", "silent", "joined"]
    draining: bool
    cordoned: bool
    #: Why it is under maintenance, which drains it; null when it is not.
    maintenance: str | None
    reserved_by: str | None
    version: str | None
    platform: str | None
    #: What jobs may select it by, and what keeps work away that does not tolerate it.
    labels: dict[str, Any]
    taints: list[str]
    memory_total: int
    #: Bytes that its runs may hold together now, could if nothing else used the machine, and hold now.
    budget: int
    capacity: int
    memory_held: int
    #: Bytes that its runs may use before its memory guard steps in; `None` until its agent reports.
    ceiling: int | None
    guard: Guard
    #: What its runs were measured to use, and that less what they hold; `None` while nothing was measured.
    memory_used: int | None = None
    drift: int | None = None
    disk_free: int
    telemetry: dict[str, Any]
    runtimes: list[HostRuntimeOut]
    created_at: float
    registered_at: float | None
    seen_until: float | None


class HostDetail(HostOut):
    runs: list[RunOut] = Field(default=[])


class QuarantineOut(Out):
    """A model that a host does not load until somebody lifts it."""

    object: Literal["quarantine"] = "quarantine"
    model_id: str
    model: str
    host: str
    reason: str
    since: float
