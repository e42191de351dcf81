"""The worker protocol: what agents and workers say to the front door, and what they hear.

JSON over HTTP under `/worker/v1`, authorised by a per-host bearer token. Every request carries the header
`Cidermill-Protocol: 1`; the front door answers 426 to versions it no longer speaks. Unknown fields are
ignored on both sides, so an old worker keeps working with a newer front door.

| call | request → answer |
|---|---|
| POST /register | Register → Registered |
| POST /sync | Sync → Synced |
| POST /claim | Claim → Claimed |
| POST /finish | Finish → Finished |
| POST /items | Items → Accepted |
| POST /items/recall | Recall → Recalled |
| POST /output | Output → Accepted |
| POST /runs/tend | Tend → RunOrder |
| POST /runs/report | RunReport → Accepted |
| POST /runs/acquire | Acquire → Acquired |
| POST /runs/release | Release → Accepted |
| GET, POST /files | raw bytes |
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.errors import Problem
from shared.runtimes import Endpoint, InstalledModel, ModelShape, RunSpec, RuntimeInfo
from shared.told import amount, extent, size, within
from shared.units import MIB
from shared.vocabulary import Capability, Format, Guard, Priority, Provider

VERSION = 1
HEADER = "Cidermill-Protocol"
#: Bytes that a message may have.
LARGEST = 64 * MIB

#: What a counter says; what cannot be true is unknown, so that a broken counter costs its figure and not the host.
Measured = Annotated[float | None, AfterValidator(amount)]
Counted = Annotated[int | None, AfterValidator(size)]
#: Bytes that are always told.
Size = Annotated[int, AfterValidator(within)]
#: Of what a job does, in whatever it counts.
Extent = Annotated[float | None, AfterValidator(extent)]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AttemptRef(_Message):
    """One try of a job; `attempt` is the fencing token."""

    job_id: str
    attempt: int


class RunRef(_Message):
    """One load of a run; `generation` is the fencing token."""

    run_id: str
    generation: int


# --- the agent -------------------------------------------------------------------------------


class Register(_Message):
    """A host says what it is. `agent` is new for each agent process, `boot_id` for each boot."""

    agent: str
    boot_id: str
    version: str
    platform: str
    memory_total: Size
    #: Bytes that runs on this host may hold together.
    budget: Size
    #: The budget if nothing else used the machine; `None`: the same.
    capacity: Counted = None
    disk_free: Size
    runtimes: list[RuntimeInfo]
    labels: dict[str, str] = {}
    #: Where other hosts fetch models from it; `None`: it serves none.
    peer_url: str | None = None
    #: Where the front door reaches its runs; `None`: it lets nobody in.
    engine_url: str | None = None
    #: Loads whose processes may still live; all others of this host are gone for sure.
    live_runs: list[RunRef] = []
    #: How the boot before this one ended, when nobody asked for that: `the host panicked (…)`; `None`: cleanly.
    unclean_end: str | None = Field(default=None, max_length=400)


class Registered(_Message):
    host: str
    #: Where the lanes are, with credentials.
    redis_url: str
    namespace: str = "cidermill"
    lease_seconds: float
    sync_seconds: float


class WorkerStatus(_Message):
    """A worker process as its agent sees it."""

    worker: str
    runtime: str
    pid: int
    alive: bool


class AttemptStatus(AttemptRef):
    worker: str
    phase: str | None = None
    progress: Progress | None = None


class Progress(_Message):
    """How far: `done` of `total` (`None`: unknown) in `unit`s."""

    done: Annotated[float, AfterValidator(lambda said: extent(said) or 0.0)]
    total: Extent = None
    unit: str = ""
    #: Units per second, measured.
    rate: Extent = None


class RunStatus(RunRef):
    worker: str
    #: Bytes in use now and at most so far, measured; `None` when unknown.
    memory: Counted = None
    peak: Counted = None
    #: Requests of this worker's jobs in flight; what people ask is counted by the front door.
    busy: Counted = None


class LogLine(_Message):
    run_id: str
    text: str


class Telemetry(_Message):
    """What the host measures; `None` is unknown, never zero."""

    memory_used: Counted = None
    memory_available: Counted = None
    swap_used: Counted = None
    cpu_percent: Measured = None
    load: Measured = None
    #: Bytes of the disk for models that are free, and of those how many stay so: no download takes them.
    disk_free: Counted = None
    disk_reserve: Counted = None
    thermal: str | None = None
    pressure: str | None = None
    gpu_percent: Measured = None
    #: Power by the machine's own counters, since the last sample, and of the idle machine; which counters.
    power_watts: Measured = None
    idle_watts: Measured = None
    power_source: str | None = None
    #: Energy since the agent began.
    joules: Measured = None
    #: Slots in use: by jobs, and by requests as the front door last told.
    job_slots: Counted = None
    request_slots: Counted = None
    #: Bytes that runs may use together, what keeps that from being more, and what they use, measured.
    ceiling: Counted = None
    ceiling_bound: str | None = None
    runs_memory: Counted = None
    #: Why the memory guard is not open, as a sentence.
    guard_reason: str | None = None
    source: str = ""


class Sync(_Message):
    """Every two seconds: what lives here. Names what the agent heard from its workers lately, no more."""

    agent: str
    budget: Size
    capacity: Counted = None
    guard: Guard = Guard.OPEN
    telemetry: Telemetry = Telemetry()
    workers: list[WorkerStatus] = []
    attempts: list[AttemptStatus] = []
    runs: list[RunStatus] = []
    #: Loads whose process is reaped; their memory is free.
    dead_runs: list[RunRef] = []
    #: Worker processes that are gone; their attempts are lost at once.
    dead_workers: list[str] = []
    logs: list[LogLine] = []


class Synced(_Message):
    #: Attempts whose lease is extended by `lease_seconds` from when the request was sent.
    kept: list[AttemptRef] = []
    kept_runs: list[RunRef] = []
    cancel: list[AttemptRef] = []
    #: Give way to more urgent work: hand in what is finished, then hand the attempt back.
    preempt: list[AttemptRef] = []
    #: No longer this host's: stop, discard, report nothing.
    drop: list[AttemptRef] = []
    #: The agent names each in `dead_runs` once no process of it lives, also one it has never heard of: its memory is
    #: held until then.
    drop_runs: list[RunRef] = []
    #: Runs to look at, by runtime (`RunHint`): a lost message is healed here.
    wishes: list[RunHint] = []
    lease_seconds: float
    draining: bool = False
    #: Slots by run that are for people who wait for an answer: batches leave them free.
    attended: dict[str, int] = {}
    #: Bytes per second that this host's downloads may take together now; `None`: as fast as they come.
    download_rate: int | None = None


class RunHint(RunRef):
    runtime: str


# --- the worker ------------------------------------------------------------------------------


class Claim(_Message):
    worker: str
    attempts: list[AttemptRef] = Field(max_length=256)


class ClaimedRun(_Message):
    run_id: str
    generation: int
    endpoint: Endpoint


class Assignment(AttemptRef):
    """A claimed attempt with all that its kind needs to run."""

    kind: str
    params: dict[str, Any]
    priority: Priority
    #: Slots of the run this attempt may use at once.
    slots: int
    run: ClaimedRun | None = None
    model: InstalledModel | None = None
    labels: dict[str, str] = {}


class Claimed(_Message):
    #: Attempts not named here are gone: drop the message.
    assignments: list[Assignment]
    lease_seconds: float


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    #: Handed back by a worker that stops, or that was asked to give way; queued again, not counted.
    RELEASED = "released"


#: The source of what Cidermill put on a host itself.
OURS = "cidermill"


class InstallRecord(_Message):
    """A model that a download put on this host; registered in the same transaction that ends the job."""

    provider: Provider
    repo: str
    file: str | None = None
    revision: str | None = None
    name: str
    format: Format
    path: str
    size: Size
    context: int | None = None
    capabilities: list[Capability] = []
    shape: ModelShape = ModelShape()
    #: name, size in bytes and sha256 of every file.
    files: list[dict[str, Any]] = []
    #: Who put it there: `cidermill`, or the program whose store it was found in.
    source: str = OURS


class Transfer(_Message):
    """What a download brought to this host from one kind of source."""

    #: `hub`, `peer` or `web`.
    source: str
    bytes: Size
    #: In which some of it came.
    seconds: Annotated[float, AfterValidator(lambda said: amount(said) or 0.0)]


class FinishedAttempt(AttemptRef):
    outcome: Outcome
    #: Small; what is big is a file and named here by id.
    result: dict[str, Any] | None = None
    error: Problem | None = None
    installs: list[InstallRecord] = []
    transfers: list[Transfer] = []


class Finish(_Message):
    worker: str
    attempts: list[FinishedAttempt] = Field(max_length=256)


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    #: The same report came before: harmless.
    DUPLICATE = "duplicate"
    #: The attempt is no longer this worker's; the report was discarded.
    STALE = "stale"


class Finished(_Message):
    #: One per attempt, in order.
    verdicts: list[Verdict]


class Item(_Message):
    """One finished piece of a job: a batch item, a transcript segment, a benchmark sample."""

    index: int = Field(ge=0)
    data: Any


class Items(AttemptRef):
    worker: str
    items: list[Item] = Field(max_length=1024)


class Recall(AttemptRef):
    """What earlier attempts of the job have finished: the items that come after one in their order."""

    worker: str
    after: int = -1


class Recalled(_Message):
    """As many as one answer holds; with `more` the next are asked for, after the last of these."""

    items: list[Item]
    more: bool = False


class Output(AttemptRef):
    """Text for people who follow the job: a log line, or a piece of the streamed answer."""

    worker: str
    log: list[str] = []
    text: str = ""


class Accepted(_Message):
    #: `False`: fenced off; stop and discard.
    accepted: bool = True


# --- runs ------------------------------------------------------------------------------------


class Tend(RunRef):
    """A worker asks what a run wants of it. Asking is claiming: only one worker is told to start."""

    worker: str


class RunAction(StrEnum):
    START = "start"
    STOP = "stop"
    NOTHING = "nothing"


class RunOrder(RunRef):
    action: RunAction
    spec: RunSpec = RunSpec()
    model: InstalledModel | None = None
    lease_seconds: float = 10.0


class RunEvent(StrEnum):
    READY = "ready"
    #: Its process ended after a wish to stop; reported after the memory is free.
    STOPPED = "stopped"
    #: Its process ended by itself, or never came up.
    FAILED = "failed"


class RunReport(RunRef):
    worker: str
    event: RunEvent
    endpoint: Endpoint | None = None
    pid: int | None = None
    memory: int | None = None
    peak: int | None = None
    load_seconds: float | None = None
    error: Problem | None = None


class Acquire(AttemptRef):
    """A running job asks for a run of its own on its host (benchmarks). Poll with the same `request`."""

    worker: str
    request: str
    model: str
    runtime: str
    spec: RunSpec = RunSpec()


class Acquired(_Message):
    run_id: str
    state: str
    generation: int
    endpoint: Endpoint | None = None
    model: InstalledModel | None = None
    load_seconds: float | None = None
    #: Measured so far, bytes.
    peak: int | None = None
    error: Problem | None = None
    #: Why it waits, as a sentence.
    waiting: str | None = None


class Release(AttemptRef):
    worker: str
    run_id: str


class FileCreated(_Message):
    id: str
    size: int
    sha256: str


AttemptStatus.model_rebuild()
Synced.model_rebuild()
