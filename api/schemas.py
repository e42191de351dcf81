"""What goes in and out of the front door's own API.

Times are seconds since 1970 by the database's clock; sizes are bytes. Lists have the shape that OpenAI's clients read.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from shared.jobs.where import LabelName, LabelValue, Taint, Where
from shared.moments import Moment
from shared.runtimes import ModelShape, RunSpec
from shared.store.manifest import Artifact
from shared.vocabulary import AttemptState, Capability, Format, Guard, JobState, Priority, Provider, RunState

HostNameText = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]

T = TypeVar("T")


class In(BaseModel):
    """A request; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Out(BaseModel):
    """An answer, read from a row or from values."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Page(Out, Generic[T]):
    """One page of a list, newest first; `?after=<last_id>` gives the next."""

    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


class ErrorBody(Out):
    """What happened, why, and how to fix it; `message`, `type` and `param` are what OpenAI's clients read."""

    code: str
    what: str
    why: str = ""
    fix: str = ""
    details: dict[str, Any] = {}
    message: str
    type: str
    param: str | None = None


class ErrorOut(Out):
    error: ErrorBody


# --- jobs --------------------------------------------------------------------------------------


class JobIn(In):
    """Work to queue. What `params` may hold depends on `kind`."""

    kind: str
    params: dict[str, Any] = {}
    priority: Priority = Priority.NORMAL
    labels: dict[LabelName, LabelValue] = Field(default={}, max_length=32)
    #: What its host must be like.
    placement: Where = Where()
    #: What it takes turns by with other jobs: `key`, or the name of one of its labels.
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


class JobDetail(JobOut):
    """One job with its attempts, the oldest first."""

    attempts: list[AttemptOut] = []
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


# --- models ------------------------------------------------------------------------------------


class InstallIn(BaseModel):
    """A model to download: the parameters of a `download` job, with its priority."""

    model_config = ConfigDict(extra="allow", frozen=True)

    model: str = Field(description="A reference: org/name, hf:org/name:file@revision, local:/path or url:https://…")
    priority: Priority = Priority.NORMAL


class InstallOut(Out):
    """A model on a host's disk."""

    host: str
    path: str
    size: int
    #: Who put it there: `cidermill`, or the program whose store it was found in.
    source: str
    installed_at: float
    last_used_at: float | None
    #: When all its files were last read and found right.
    verified_at: float | None


class ModelOut(Out):
    """`id` is the name to use in requests; `object`, `created` and `owned_by` are what OpenAI's clients read."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    #: The model that this name means; `null`: it is the model's own.
    alias_of: str | None = None
    model_id: str
    reference: str
    provider: Provider
    repo: str
    file: str | None
    revision: str | None
    format: Format
    size: int
    context: int | None
    capabilities: list[Capability]
    hosts: list[str]
    #: Hosts where a run of it is ready.
    ready_on: list[str]
    last_used_at: float | None
    #: Of the content: models with the same one are the same bytes under two names.
    digest: str | None


class ModelDetail(ModelOut):
    shape: ModelShape
    #: The manifest.
    artifacts: list[Artifact] = []
    #: Other names of the same content.
    same_content: list[str] = []
    #: Runs that have it loaded, or are about to.
    runs: list[str] = []
    installs: list[InstallOut] = []


# --- runs --------------------------------------------------------------------------------------


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


# --- hosts -------------------------------------------------------------------------------------


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
    runs: list[RunOut] = []


class QuarantineOut(Out):
    """A model that a host does not load until somebody lifts it."""

    object: Literal["quarantine"] = "quarantine"
    model_id: str
    model: str
    host: str
    reason: str
    since: float


# --- files -------------------------------------------------------------------------------------


class FileOut(Out):
    """`bytes`, `filename` and `purpose` are what OpenAI's clients read."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    content_type: str
    sha256: str
    job_id: str | None
    status: Literal["processed"] = "processed"


class DeletedOut(Out):
    id: str
    object: str
    deleted: Literal[True] = True


# --- health ------------------------------------------------------------------------------------


class PartOut(Out):
    """One part of the system: does it answer, and what it says."""

    ok: bool
    says: str


class HealthOut(Out):
    """`down` when the database does not answer (status 503), `degraded` when another part does not."""

    status: Literal["ok", "degraded", "down"]
    version: str
    database: PartOut
    scheduler: PartOut
    redis: PartOut
    hosts_up: int
    hosts: int
