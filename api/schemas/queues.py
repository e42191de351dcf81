"""What goes in and out of the front door about parts of the queue, and about schedules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from api.schemas.base import In, Out
from api.schemas.jobs import JobIn

ScheduleName = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9][\w. -]*$")]


class QueueIn(In):
    """What to change; fields that are left out stay as they are."""

    #: Its share of the fleet beside other keys and labels: with 2 it gets twice as much as one with 1.
    weight: float = Field(default=1.0, gt=0, le=1e6)
    #: Jobs of it that may run at the same time; null: any number.
    max_running: int | None = Field(default=None, ge=0)


class QueueOut(Out):
    """A part of the queue: `all`, `kind:…`, `class:…`, `key:…` or `label:…=…`."""

    name: str
    object: Literal["queue"] = "queue"
    weight: float
    #: Where it stands in the fair share: work done divided by weight; the lowest goes first.
    stride_pass: float
    max_running: int | None
    #: Since when it is paused.
    paused_at: float | None
    waiting: int
    #: Assigned or running.
    running: int


class ScheduleIn(In):
    """A job to submit again and again."""

    name: ScheduleName
    #: Minute, hour, day of month, month, day of week, as in `30 2 * * mon-fri`; seconds may come before.
    cron: str = Field(min_length=1, max_length=120)
    #: Of the IANA database, as in `Europe/Berlin`.
    timezone: str = Field(default="UTC", max_length=64)
    #: As for `POST /v1/jobs`.
    job: JobIn
    paused: bool = False


class ScheduleOut(Out):
    id: str
    object: Literal["schedule"] = "schedule"
    name: str
    cron: str
    timezone: str
    job: dict[str, Any]
    owner: str
    paused: bool
    created_at: float
    next_at: float | None
    #: The time it last submitted for, and that job.
    last_at: float | None
    last_job: str | None
    #: Why it could not submit its job the last time.
    error: dict[str, Any] | None
