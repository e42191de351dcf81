"""The tables. Times are seconds since 1970 by the database's clock; sizes are bytes.

States change only in `shared/jobs/state.py` and `shared/runs/state.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from shared.vocabulary import AttemptState, JobState, Priority, RunState

LIVE_ATTEMPTS = text("state IN ('assigned', 'running')")
WAITING_JOBS = text("state = 'queued'")
LIVE_BATCHES = text("state IN ('validating', 'in_progress', 'finalizing', 'cancelling')")
EXPIRING_FILES = text("expires_at IS NOT NULL")
FINISHED_JOBS = text("finished_at IS NOT NULL")
ENDED_RUNS = text("ended_at IS NOT NULL")
FAILED_RESULTS = text("failed")
LIVE_RUNS = text("state IN ('pending', 'starting', 'ready', 'stopping')")

# The same for queries: SQLite uses a partial index only for a query that repeats its condition word for word, which
# `state == …` with its parameter does not.
is_live_attempt = text(f"attempts.{LIVE_ATTEMPTS}")
is_waiting_job = text(f"jobs.{WAITING_JOBS}")
is_live_run = text(f"runs.{LIVE_RUNS}")
is_live_batch = text(f"batches.{LIVE_BATCHES}")
is_failed_result = text(f"results.{FAILED_RESULTS}")

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "ux_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Word(TypeDecorator[StrEnum]):
    """A StrEnum kept as its word."""

    impl = String(16)
    cache_ok = True

    def __init__(self, enum: type[StrEnum]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: Any, _: Any) -> str | None:
        return None if value is None else self.enum(value).value

    def process_result_value(self, value: Any, _: Any) -> StrEnum | None:
        return None if value is None else self.enum(value)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012
        dict[str, Any]: JSON,
        list[Any]: JSON,
        float: Float(53),
        int: BigInteger,
        JobState: Word(JobState),
        AttemptState: Word(AttemptState),
        RunState: Word(RunState),
        Priority: Word(Priority),
    }


class Leader(Base):
    """Who schedules: one row, taken and renewed by one statement."""

    __tablename__ = "leader"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    epoch: Mapped[int]
    until: Mapped[float]


class Key(Base):
    """An API key: only a hash of it is kept."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    prefix: Mapped[str] = mapped_column(String(16), index=True)
    #: SHA-256 of the whole key (256 random bits need no slow hash), hex.
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    #: Names of the models it may use; `None`: all.
    models: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    #: The most urgent class its work may have; `None`: any.
    priority: Mapped[Priority | None]
    #: What it may use at most, `shared.quotas.Limit` to number: `{"requests/minute": 60}`.
    limits: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[float]
    #: It stops working then; `None`: never.
    expires_at: Mapped[float | None]
    last_used_at: Mapped[float | None]
    revoked_at: Mapped[float | None]


class Usage(Base):
    """What a key used of a model in one day (UTC): requests that were answered, and jobs that ended well."""

    __tablename__ = "usage"

    #: As in `2026-11-21`.
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    #: Id of the API key; empty on an open loopback.
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    requests: Mapped[int] = mapped_column(default=0)
    #: Tokens: of prompts, how many of those the engine still had, and of answers.
    prompt: Mapped[int] = mapped_column(default=0)
    cached: Mapped[int] = mapped_column(default=0)
    completion: Mapped[int] = mapped_column(default=0)
    #: Seconds of recordings that were heard.
    audio: Mapped[float] = mapped_column(default=0.0)
    seconds: Mapped[float] = mapped_column(default=0.0)
    #: Energy, of what was measured; `None`: nothing was.
    joules: Mapped[float | None]

    @property
    def id(self) -> str:
        """By which the next page of a list is asked for."""
        return f"{self.day}:{self.key}:{self.model}"


class QuotaCount(Base):
    """How much of one limit a key has used, at all front doors together, in the window of the clock that is now."""

    __tablename__ = "quota_counts"

    key: Mapped[str] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"), primary_key=True)
    #: A `shared.quotas.Limit` of a window, as in `tokens/day`.
    limit: Mapped[str] = mapped_column(String(24), primary_key=True)
    #: Number of the window since 1970.
    window: Mapped[int]
    used: Mapped[int]


class QuotaFlight(Base):
    """How many requests of a key are under way at one front door."""

    __tablename__ = "quota_flights"

    key: Mapped[str] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"), primary_key=True)
    #: A name that each process has for itself.
    door: Mapped[str] = mapped_column(String(40), primary_key=True)
    requests: Mapped[int] = mapped_column(Integer)
    #: The process is gone when it has not renewed this in time.
    until: Mapped[float]


class Call(Base):
    """One request to an engine through the gateway: who, of what, how long. What was said only when that is logged."""

    __tablename__ = "calls"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    #: When it ended.
    at: Mapped[float]
    #: As in the answer's `x-request-id`.
    request_id: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(40))
    #: As the client called it.
    model: Mapped[str] = mapped_column(String(200))
    path: Mapped[str] = mapped_column(String(120))
    #: `done`, `left` when the client went before the end, or the code of the error.
    outcome: Mapped[str] = mapped_column(String(40))
    prompt: Mapped[int]
    cached: Mapped[int]
    completion: Mapped[int]
    seconds: Mapped[float]
    #: The request's body, with `log_content` only.
    content: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Audit(Base):
    """What somebody changed with an admin's rights, or tried to."""

    __tablename__ = "audit"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    at: Mapped[float]
    #: Id and name of the key as it was called then; the id is empty on an open loopback.
    key: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(120))
    #: The address it came from.
    address: Mapped[str] = mapped_column(String(64))
    #: Method and route, as in `DELETE /v1/keys/{key_id}`, and the path that was asked.
    action: Mapped[str] = mapped_column(String(120))
    path: Mapped[str] = mapped_column(Text)
    #: `done`, or the code of the error that it was answered with.
    outcome: Mapped[str] = mapped_column(String(40))


class Queue(Base):
    """A named part of the one queue: its share of the fleet, its limit, whether it is paused.

    `all`, `kind:<kind>`, `class:<priority>`, `key:<id>` or `label:<name>=<value>`. Parts without a row have weight 1,
    no limit, and are not paused.
    """

    __tablename__ = "queues"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    weight: Mapped[float] = mapped_column(default=1.0)
    #: Where it stands in the fair share (stride scheduling): work done divided by weight; the lowest goes first.
    stride_pass: Mapped[float] = mapped_column(default=0.0)
    #: Jobs of it that may run at the same time; `None`: any number.
    max_running: Mapped[int | None] = mapped_column(Integer)
    paused_at: Mapped[float | None]


class Schedule(Base):
    """A job that is submitted again and again, at times that a cron expression names."""

    __tablename__ = "schedules"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    cron: Mapped[str] = mapped_column(String(120))
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    #: The body of `POST /v1/jobs`, as JSON.
    job: Mapped[dict[str, Any]]
    owner: Mapped[str] = mapped_column(String(40), default="")
    paused: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[float]
    next_at: Mapped[float | None] = mapped_column(index=True)
    last_at: Mapped[float | None]
    last_job: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Host(Base):
    """A machine of the fleet, with its memory budget."""

    __tablename__ = "hosts"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_digest: Mapped[str] = mapped_column(String(64), unique=True)
    #: Id of the key that let it join, which may let it join again; empty when an admin did.
    joined_by: Mapped[str] = mapped_column(String(40), default="")
    #: The agent process that speaks for it now, and the boot it runs in.
    agent: Mapped[str | None] = mapped_column(String(40))
    boot_id: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[str | None] = mapped_column(String(32))
    platform: Mapped[str | None] = mapped_column(String(120))
    labels: Mapped[dict[str, Any]] = mapped_column(default=dict)
    memory_total: Mapped[int] = mapped_column(default=0)
    #: Bytes that its runs may hold together now, and could if nothing else used the machine.
    budget: Mapped[int] = mapped_column(default=0)
    capacity: Mapped[int] = mapped_column(default=0)
    disk_free: Mapped[int] = mapped_column(default=0)
    telemetry: Mapped[dict[str, Any]] = mapped_column(default=dict)
    draining: Mapped[bool] = mapped_column(Boolean, default=False)
    cordoned: Mapped[bool] = mapped_column(Boolean, default=False)
    #: Why it is under maintenance, which is a drain that people explain; `None` when it is not.
    maintenance: Mapped[str | None] = mapped_column(Text)
    #: `key=value` words that keep work away which does not tolerate them.
    taints: Mapped[list[Any]] = mapped_column(default=list)
    #: What its memory guard says: `open`, `closed` (no new runs) or `shedding` (runs are being ended).
    guard: Mapped[str] = mapped_column(String(16), default="open")
    #: Bytes that the host could give to runs at most now, and bytes that they were measured to use.
    ceiling: Mapped[int | None]
    memory_used: Mapped[int | None]
    #: Where other hosts fetch models from it; `None` when it serves none.
    peer_url: Mapped[str | None] = mapped_column(Text)
    #: Where the front door reaches its runs; `None` when only processes of its own machine do.
    engine_url: Mapped[str | None] = mapped_column(Text)
    #: The exclusive job that has, or waits for, the whole host.
    reserved_by: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[float]
    registered_at: Mapped[float | None]
    #: Silent past this, it counts as gone.
    seen_until: Mapped[float | None]


class HostRuntime(Base):
    """An engine that a host offers, as it advertised it."""

    __tablename__ = "host_runtimes"

    host: Mapped[str] = mapped_column(ForeignKey("hosts.name", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    #: `RuntimeInfo` as JSON.
    info: Mapped[dict[str, Any]]
    worker: Mapped[str | None] = mapped_column(String(40))
    alive: Mapped[bool] = mapped_column(Boolean, default=False)


class Model(Base):
    """An AI model of the catalog."""

    __tablename__ = "models"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    provider: Mapped[str] = mapped_column(String(8))
    repo: Mapped[str] = mapped_column(Text)
    file: Mapped[str | None] = mapped_column(Text)
    #: The commit the files belong to.
    revision: Mapped[str | None] = mapped_column(String(64))
    format: Mapped[str] = mapped_column(String(16))
    size: Mapped[int]
    context: Mapped[int | None]
    capabilities: Mapped[list[Any]] = mapped_column(default=list)
    #: `ModelShape` as JSON.
    shape: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: The manifest: name, size, sha256 and format of each file, as JSON.
    artifacts: Mapped[list[Any]] = mapped_column(default=list)
    #: SHA-256 over the manifest, hex: models of the same content share it.
    digest: Mapped[str | None] = mapped_column(String(64), index=True)
    created_at: Mapped[float]
    last_used_at: Mapped[float | None]


class Alias(Base):
    """Another name of a model, with what requests under that name leave unsaid."""

    __tablename__ = "aliases"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), index=True)
    #: The only host that answers under this name; `None`: any.
    host: Mapped[str | None] = mapped_column(String(64))
    #: Fields of a request to the engine, such as `temperature`; `system` is a message, `context` tokens of a slot.
    defaults: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[float]


class Install(Base):
    """A model on a host's disk."""

    __tablename__ = "installs"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    host: Mapped[str] = mapped_column(ForeignKey("hosts.name", ondelete="CASCADE"), primary_key=True)
    path: Mapped[str] = mapped_column(Text)
    size: Mapped[int]
    files: Mapped[list[Any]] = mapped_column(default=list)
    installed_at: Mapped[float]
    #: Who put it there: `cidermill`, or the program whose store it was found in; those of others are never deleted.
    source: Mapped[str] = mapped_column(String(16), default="cidermill")
    last_used_at: Mapped[float | None]
    verified_at: Mapped[float | None]


class Speed(Base):
    """How fast models came to a host lately from one kind of source, which tells what the next transfer takes."""

    __tablename__ = "speeds"

    host: Mapped[str] = mapped_column(ForeignKey("hosts.name", ondelete="CASCADE"), primary_key=True)
    #: `shared.vocabulary.Source`.
    source: Mapped[str] = mapped_column(String(8), primary_key=True)
    #: Bytes per second of the last few, the newest last.
    rates: Mapped[list[Any]] = mapped_column(default=list)
    updated_at: Mapped[float]


class Learned(Base):
    """The highest memory that runs of a model were measured to hold, which corrects the estimate."""

    __tablename__ = "learned"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    runtime: Mapped[str] = mapped_column(String(32), primary_key=True)
    #: As the runtime says it; what another version needs is learned anew.
    version: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: Tokens per slot, rounded up to a power of two.
    context: Mapped[int] = mapped_column(primary_key=True)
    slots: Mapped[int] = mapped_column(Integer, primary_key=True)
    #: Digest of the spec's parameters that change memory; empty for none.
    params: Mapped[str] = mapped_column(String(16), primary_key=True, default="")
    peak: Mapped[int]
    #: What was estimated without it.
    estimate: Mapped[int]
    samples: Mapped[int] = mapped_column(Integer, default=0)
    #: Most slots that one of these runs had at work at once.
    busy: Mapped[int] = mapped_column(Integer, default=0)
    #: When a run like this last died for lack of memory.
    out_of_memory_at: Mapped[float | None]
    updated_at: Mapped[float]


class Quarantine(Base):
    """A model that is barred from a host, because loading it there brought the host or itself down."""

    __tablename__ = "quarantines"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    host: Mapped[str] = mapped_column(ForeignKey("hosts.name", ondelete="CASCADE"), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    since: Mapped[float]


class Run(Base):
    """A model loaded by a runtime on a host, holding memory and offering slots."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_live", "state", "host", sqlite_where=LIVE_RUNS, postgresql_where=LIVE_RUNS),
        Index("ix_runs_serving", "model_id", sqlite_where=LIVE_RUNS, postgresql_where=LIVE_RUNS),
        Index("ix_runs_ended_at", "ended_at", sqlite_where=ENDED_RUNS, postgresql_where=ENDED_RUNS),
        Index("ix_runs_held", "host", "memory_held"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[RunState]
    #: Fencing token: each placement raises it.
    generation: Mapped[int] = mapped_column(default=0)
    model_id: Mapped[str] = mapped_column(String(40), index=True)
    model: Mapped[str] = mapped_column(String(200))
    capability: Mapped[str] = mapped_column(String(16))
    #: What was asked for: `RunSpec` as JSON, runtime and host when they matter.
    spec: Mapped[dict[str, Any]] = mapped_column(default=dict)
    wanted_runtime: Mapped[str | None] = mapped_column(String(32))
    wanted_host: Mapped[str | None] = mapped_column(String(64))
    priority: Mapped[Priority] = mapped_column(default=Priority.NORMAL)
    #: The job that acquired it for itself alone.
    owner_job: Mapped[str | None] = mapped_column(String(40), index=True)
    owner_request: Mapped[str | None] = mapped_column(String(64))
    #: Where it was placed.
    host: Mapped[str | None] = mapped_column(String(64))
    runtime: Mapped[str | None] = mapped_column(String(32))
    slots: Mapped[int] = mapped_column(Integer, default=1)
    context: Mapped[int] = mapped_column(default=0)
    #: Estimated bytes, and how they come about.
    memory_need: Mapped[int] = mapped_column(default=0)
    memory_parts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: Bytes reserved on the host now: kept until the process is known to be gone.
    memory_held: Mapped[int] = mapped_column(default=0)
    memory_used: Mapped[int | None]
    memory_peak: Mapped[int | None]
    #: Slots at work at once, at most so far.
    busy_most: Mapped[int] = mapped_column(Integer, default=0)
    endpoint: Mapped[dict[str, Any] | None]
    pid: Mapped[int | None]
    worker: Mapped[str | None] = mapped_column(String(40))
    pinned: Mapped[bool] = mapped_column(Boolean, default=False)
    keep_alive: Mapped[float] = mapped_column(default=300.0)
    #: Slots that people who wait for an answer have, or had a moment ago: work that nobody waits for leaves them free.
    attended: Mapped[int] = mapped_column(Integer, default=0)
    load_seconds: Mapped[float | None]
    stop_reason: Mapped[str | None] = mapped_column(Text)
    blocked_by: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[float]
    #: Timers: when to send the hint again, until when a worker must have taken it, until when it lives unheard of.
    publish_at: Mapped[float | None]
    published: Mapped[int] = mapped_column(Integer, default=0)
    claim_by: Mapped[float | None]
    lease_until: Mapped[float | None]
    ready_at: Mapped[float | None]
    last_used_at: Mapped[float | None]
    ended_at: Mapped[float | None]


class Job(Base):
    """A unit of queued work."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "ix_jobs_waiting",
            "state",
            "rank",
            "queued_at",
            "id",
            sqlite_where=WAITING_JOBS,
            postgresql_where=WAITING_JOBS,
        ),
        Index(
            "ix_jobs_share",
            "state",
            "queue",
            "rank",
            "queued_at",
            "id",
            sqlite_where=WAITING_JOBS,
            postgresql_where=WAITING_JOBS,
        ),
        Index("ix_jobs_finished_at", "finished_at", sqlite_where=FINISHED_JOBS, postgresql_where=FINISHED_JOBS),
        # With the kind, so that they are counted without being read.
        Index("ix_jobs_listing", "state", "id", "kind"),
        Index("ux_jobs_idempotency", "owner", "idempotency_key", unique=True),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[JobState]
    params: Mapped[dict[str, Any]]
    labels: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: Id of the API key that submitted it; empty on an open loopback.
    owner: Mapped[str] = mapped_column(String(40), default="")
    priority: Mapped[Priority] = mapped_column(default=Priority.NORMAL)
    #: `priority` as a number, 0 the most urgent.
    rank: Mapped[int] = mapped_column(Integer, default=2)
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_digest: Mapped[str | None] = mapped_column(String(64))
    #: What it demands (`Demand`), flattened so that the scheduler reads no JSON.
    capability: Mapped[str] = mapped_column(String(16))
    model_id: Mapped[str | None] = mapped_column(String(40))
    model: Mapped[str | None] = mapped_column(String(200))
    runtime: Mapped[str | None] = mapped_column(String(32))
    host: Mapped[str | None] = mapped_column(String(64))
    spec: Mapped[dict[str, Any]] = mapped_column(default=dict)
    slots: Mapped[int] = mapped_column(Integer, default=1)
    disk: Mapped[int] = mapped_column(default=0)
    exclusive: Mapped[bool] = mapped_column(Boolean, default=False)
    #: Runtimes an exclusive job will use, in order.
    acquires: Mapped[list[Any]] = mapped_column(default=list)
    #: Labels that a host must have, words it may be tainted with, a job label whose other jobs it avoids: as JSON.
    placement: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: The part of the queue whose fair share it uses.
    queue: Mapped[str] = mapped_column(String(200), default="key:")
    #: Failed when it has not begun by then.
    deadline: Mapped[float | None]
    #: The schedule that submitted it.
    schedule: Mapped[str | None] = mapped_column(String(40), index=True)
    #: May be asked to give way to more urgent work: what it has finished is kept.
    preemptible: Mapped[bool] = mapped_column(Boolean, default=False)
    #: Times that more urgent work took its place.
    preemptions: Mapped[int] = mapped_column(Integer, default=0)
    #: The highest attempt number so far: the fencing token.
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    crashes: Mapped[int] = mapped_column(Integer, default=0)
    max_failures: Mapped[int] = mapped_column(Integer, default=3)
    not_before: Mapped[float | None]
    cancel_requested_at: Mapped[float | None]
    created_at: Mapped[float]
    queued_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    #: Why it waits, with numbers (`scheduler.reasons.Reason` as JSON); null when it does not.
    blocked_by: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    phase: Mapped[str | None] = mapped_column(String(64))
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    #: The attempt whose result was accepted.
    result_attempt: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Attempt(Base):
    """One try of a job on one lane. While it is assigned, this row is also the outbox of its message."""

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ux_attempts_live", "job_id", unique=True, sqlite_where=LIVE_ATTEMPTS, postgresql_where=LIVE_ATTEMPTS),
        Index("ix_attempts_live", "host", "runtime", sqlite_where=LIVE_ATTEMPTS, postgresql_where=LIVE_ATTEMPTS),
        Index("ix_attempts_run", "run_id", sqlite_where=LIVE_ATTEMPTS, postgresql_where=LIVE_ATTEMPTS),
        Index("ix_attempts_publish", "publish_at", sqlite_where=LIVE_ATTEMPTS, postgresql_where=LIVE_ATTEMPTS),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    state: Mapped[AttemptState]
    host: Mapped[str] = mapped_column(String(64))
    runtime: Mapped[str] = mapped_column(String(32))
    run_id: Mapped[str | None] = mapped_column(String(40))
    #: Slots of the run it holds while it lives.
    slots: Mapped[int] = mapped_column(Integer, default=1)
    worker: Mapped[str | None] = mapped_column(String(40))
    #: Epoch of the scheduler that assigned it.
    epoch: Mapped[int]
    #: More urgent work wants its place: it stops at the next checkpoint and the job waits again.
    preempt_requested_at: Mapped[float | None]
    assigned_at: Mapped[float]
    publish_at: Mapped[float | None]
    published: Mapped[int] = mapped_column(Integer, default=0)
    claim_by: Mapped[float | None]
    lease_until: Mapped[float | None]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Result(Base):
    """A finished piece of a job: the checkpoint that outlives an attempt."""

    __tablename__ = "results"
    __table_args__ = (
        Index("ix_results_failed", "job_id", sqlite_where=FAILED_RESULTS, postgresql_where=FAILED_RESULTS),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    index: Mapped[int] = mapped_column(Integer, primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer)
    data: Mapped[Any] = mapped_column(JSON)
    created_at: Mapped[float]
    #: Its data tells an error in place of an answer.
    failed: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())


class Batch(Base):
    """A file of requests, as OpenAI and Anthropic sell them: a view over the inference jobs that answer them."""

    __tablename__ = "batches"
    __table_args__ = (Index("ix_batches_live", "state", sqlite_where=LIVE_BATCHES, postgresql_where=LIVE_BATCHES),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    #: Who wrote the file, and reads the answers: `openai` or `anthropic`.
    dialect: Mapped[str] = mapped_column(String(16))
    endpoint: Mapped[str] = mapped_column(String(64))
    #: `BatchState`, in OpenAI's words.
    state: Mapped[str] = mapped_column(String(16))
    owner: Mapped[str] = mapped_column(String(40), default="")
    #: What the caller calls the window, and keeps with the batch.
    completion_window: Mapped[str] = mapped_column(String(16))
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    input_file: Mapped[str] = mapped_column(String(40))
    output_file: Mapped[str | None] = mapped_column(String(40))
    error_file: Mapped[str | None] = mapped_column(String(40))
    #: Lines that no job was asked, as `Refused`s in a file.
    refused_file: Mapped[str | None] = mapped_column(String(40))
    #: `Part`s as JSON: a job, the file it works through, the model as the caller named it.
    parts: Mapped[list[Any]] = mapped_column(default=list)
    #: Lines of the input, and how many of them ended how: known at the end.
    total: Mapped[int] = mapped_column(default=0)
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: Why it failed: code, line and message of each mistake.
    errors: Mapped[list[Any]] = mapped_column(default=list)
    #: Seconds that its output and error files are kept; without: until they are deleted.
    output_seconds: Mapped[float | None]
    #: Tokens of all that was answered, as `Usage` tells them; known at the end.
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[float]
    expires_at: Mapped[float]
    in_progress_at: Mapped[float | None]
    finalizing_at: Mapped[float | None]
    cancelling_at: Mapped[float | None]
    finished_at: Mapped[float | None]


class File(Base):
    """A big input or output; its bytes lie in the file store under `id`."""

    __tablename__ = "files"
    __table_args__ = (
        Index("ix_files_expires_at", "expires_at", sqlite_where=EXPIRING_FILES, postgresql_where=EXPIRING_FILES),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    purpose: Mapped[str] = mapped_column(String(32))
    content_type: Mapped[str] = mapped_column(String(120))
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    owner: Mapped[str] = mapped_column(String(40), default="")
    job_id: Mapped[str | None] = mapped_column(String(40), index=True)
    attempt: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[float]
    #: From then on it is not there for its readers; without: it stays until it is deleted.
    expires_at: Mapped[float | None]


class Event(Base):
    """What happened, in order; written in the transaction that made it happen."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_job", "job_id", "seq"),
        Index("ix_events_run", "run_id", "seq"),
        {"sqlite_autoincrement": True},
    )

    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    at: Mapped[float]
    type: Mapped[str] = mapped_column(String(32))
    job_id: Mapped[str | None] = mapped_column(String(40))
    run_id: Mapped[str | None] = mapped_column(String(40))
    host: Mapped[str | None] = mapped_column(String(64))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
