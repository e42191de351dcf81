"""What the routes of the model store take and answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from api.schemas.base import In, Out
from shared.store.hub_search import HubModel
from shared.store.outlook import Fits
from shared.store.recommended import Worth
from shared.units import Bytes, parse_bytes
from shared.vocabulary import Capability, Format

Size = Annotated[Bytes, BeforeValidator(parse_bytes, json_schema_input_type=int | str)]


class HubPage(Out):
    """What the hub found, the most downloaded first."""

    object: Literal["list"] = "list"
    data: list[HubModel]


class EvictOut(Out):
    """An idle run that would end to make room."""

    run_id: str
    model: str
    memory_held: int


class DiskOut(Out):
    """A host's disk for models, in bytes, as a download of this one would find it."""

    #: Still to come; 0: the files are there.
    need: int
    free: int
    #: What stays free whatever comes: 5 % of the disk, 1 GiB at least.
    reserve: int
    #: What other downloads on their way there will still fill.
    promised: int
    fits: bool
    #: What a cleaning that stops as soon as there is room would delete; 0 where there is room.
    deletable: int
    sentence: str


class HostFitOut(Out):
    """One runtime of one host."""

    host: str
    runtime: str
    fits: Fits
    #: Why, with numbers.
    sentence: str
    #: Bytes it would hold, by cause.
    needs: int
    parts: dict[str, int]
    free: int
    budget: int
    #: As it would be loaded.
    context: int
    slots: int
    #: Tokens per slot at most: in what is free now, and with the host to itself.
    largest_context_now: int | None
    largest_context: int | None
    evicts: list[EvictOut]
    installed: bool
    #: `null`: nothing is known of it.
    disk: DiskOut | None


class FitOut(Out):
    """How a model would fare on each host, whether it is installed or not."""

    model: str
    format: Format
    size: int
    capabilities: list[Capability]
    #: The most hopeful first; empty: no living host has a runtime that loads it.
    hosts: list[HostFitOut]


class RecommendedOut(Worth, Out):
    """A model worth having, and where it would run best."""

    fits: Fits | None
    host: str | None
    needs: int | None
    sentence: str


class RecommendedPage(Out):
    object: Literal["list"] = "list"
    data: list[RecommendedOut]


class GcIn(In):
    """What to delete; several wishes add up. Without any: what was not used for 30 days."""

    host: str | None = None
    older_than_days: float | None = Field(default=None, ge=0, description="Models not used for so long.")
    keep_bytes: Size | None = Field(default=None, description="Until models take no more than this on each host.")
    free_bytes: Size | None = Field(default=None, description="Until so much of each host's disk is free.")
    dry_run: bool = Field(default=True, description="Only say what would be deleted.")


class GcLine(Out):
    """One model on one host."""

    model: str
    host: str
    size: int
    #: Bytes that are free without it; what others share with it stays.
    frees: int
    last_used_at: float
    reason: str


class GcOut(Out):
    dry_run: bool
    frees: int
    removed: list[GcLine]
    kept: list[GcLine]
    #: The jobs that delete the files.
    jobs: list[str]


class HostsIn(In):
    """On which host; unset: on all that it concerns."""

    host: str | None = None


class JobsOut(Out):
    """Jobs that were submitted, one for each host."""

    object: Literal["list"] = "list"
    jobs: list[str]
