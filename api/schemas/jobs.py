"""Jobs, and what happens to them."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, field_validator

from api.schemas.base import In, Out
from shared.jobs.where import LabelName, LabelValue, Where
from shared.moments import Moment
from shared.nesting import FlatObject
from shared.vocabulary import AttemptState, Capability, JobState, Priority


class JobIn(In):
    """Work to queue. What `params` may hold depends on `kind`."""

    kind: str
    params: FlatObject = Field(default={})
    priority: Priority = Priority.NORMAL
    labels: dict[LabelName, LabelValue] = Field(default={}, max_length=32)
    #: What its host must be like.
    placement: Where = Where()
    #: What it takes turns by with other jobs: `key`, or the name of one of its labels; its key, while nobody has set
    #: anything for that part of the queue.
    queue_by: LabelName = "key"
    #: When it may begin: seconds since 1970, a date with its time zone, or a duration from now such as `2h`.
    not_before: Moment | None = None
    #: It fails when it has not begun by then; written like `not_before`.
    deadline: Moment | None = None
    #: Failures after which it fails for good; unset: the kind's own.
    max_failures: int | None = Field(default=None, ge=1, le=100)

    @field_validator("params")
    @classmethod
    def _is_json(cls, params: dict[str, Any]) -> dict[str, Any]:
        """NaN and half characters pass Python's reader, but no database and no other client."""
        json.dumps(params, allow_nan=False, ensure_ascii=False).encode()
        return params


class BulkIn(In):
    jobs: list[JobIn] = Field(min_length=1, max_length=1000)


class AttemptOut(Out):
    number: int
    state: AttemptState
    host: str
    runtime: str
    run_id: str | None
    slots: int
    worker: str | None
    assigned_at: float
    started_at: float | None
    ended_at: float | None
    error: dict[str, Any] | None


class JobOut(Out):
    id: str
    object: Literal["job"] = "job"
    kind: str
    state: JobState
    params: dict[str, Any]
    labels: dict[str, str]
    priority: Priority
    capability: Capability
    model: str | None
    runtime: str | None
    #: The host it asked for.
    host: str | None
    exclusive: bool
    attempt: int
    failures: int
    crashes: int
    max_failures: int
    #: Labels that its host must have, taints that it bears, other work that it keeps off (`name=value`).
    placement: dict[str, Any]
    #: The part of the queue by which it takes turns: `key:<id>` or `label:<name>=<value>`.
    queue: str
    schedule: str | None
    #: Times that more urgent work took its place.
    preemptions: int
    not_before: float | None
    deadline: float | None
    cancel_requested_at: float | None
    created_at: float
    queued_at: float
    started_at: float | None
    finished_at: float | None
    #: Why it waits: `{code, sentence, …}` with numbers; null when it does not.
    blocked_by: dict[str, Any] | None
    phase: str | None
    #: `{done, total, unit, rate}`.
    progress: dict[str, Any] | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    #: It is another key's: what it was asked and what came of it is left out.
    private: bool = False


class JobDetail(JobOut):
    """One job with its attempts, the oldest first."""

    attempts: list[AttemptOut] = Field(default=[])
    #: Finished pieces kept so far.
    items_done: int = 0
    #: Jobs before it in the queue, 0 for the next; null when it does not wait.
    position: int | None = None


class SubmittedOut(Out):
    id: str
    kind: str
    state: JobState


class BulkOut(Out):
    """The jobs of a bulk submit, in the order they were given."""

    object: Literal["list"] = "list"
    data: list[SubmittedOut]


class EventOut(Out):
    seq: int
    at: float
    type: str
    job_id: str | None
    run_id: str | None
    host: str | None
    data: dict[str, Any]
