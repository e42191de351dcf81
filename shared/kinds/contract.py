"""What a kind of job is: its parameters, what it demands of the fleet, and how it runs.

A kind is one file in `shared/kinds/` with one `Kind` subclass, found by import. Its fields are the job's parameters
(they make the schema of `POST /v1/jobs`). `settle` then `demand` are asked once, at submit, by the front door; `run` is
called by a worker with a `Context` and returns what becomes the job's result.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.downloads.room import Disk, Room
from shared.downloads.throttle import Throttle
from shared.protocol import Acquired, InstallRecord, Progress, Transfer
from shared.runtimes import Endpoint, InstalledModel, RunSpec
from shared.store.wire import Shelf, ShelfFile, Sourced, Sources
from shared.units import Bytes
from shared.vocabulary import Capability


class Demand(BaseModel):
    """What a job needs of a host, as the scheduler sees it."""

    model_config = ConfigDict(frozen=True)

    capability: Capability
    #: Name or reference of the model as the user gave it; `None`: no run is needed.
    model: str | None = None
    #: Only this runtime; `None`: any that offers the capability and loads the model's format.
    runtime: str | None = None
    #: Only this host.
    host: str | None = None
    #: How a run for it is loaded, if one must be.
    spec: RunSpec = RunSpec()
    #: Slots it can use at once (a batch of 64 requests: 64); it is given between 1 and this many.
    slots: int = Field(default=1, ge=1)
    #: Bytes of disk it will fill.
    disk: Bytes = Bytes(0)
    #: The whole host, with nobody else at work on it. It acquires its runs itself.
    exclusive: bool = False
    #: May be asked to give way to more urgent work half-way: what it has finished is kept, and it goes on from there.
    preemptible: bool = False
    #: More models it will acquire itself, in order (benchmarks); checked at submit, for each runtime named.
    acquires: tuple[tuple[str, str | None], ...] = ()


class Result(BaseModel):
    """What an attempt achieved: `data` is small and goes into the job; what is big is a file named in it."""

    data: dict[str, Any] = {}
    installs: list[InstallRecord] = []


class Catalog(Protocol):
    """What the front door tells a kind at submit. Raises NotFound with the nearest names."""

    def model(self, name: str) -> InstalledModel: ...

    def file_size(self, file_id: str) -> Bytes: ...

    def runtimes(self, model: str, capability: Capability) -> list[str]:
        """Runtimes of the fleet that load the model's format and offer the capability, by name."""

    def on_disk(self, host: str, repo: str, commit: str) -> Collection[tuple[str, int]]:
        """Files of a repository of the hub at a commit that a host has, by name and size."""

    def asking(self) -> AbstractContextManager[None]:
        """While another server is asked. Raises Busy when others ask enough already."""


class Files(Protocol):
    """Big inputs and outputs, kept by the front door."""

    def open(self, file_id: str) -> BinaryIO:
        """The whole file, spooled to local disk. Raises NotFound."""

    def lines(self, file_id: str) -> Iterator[bytes]:
        """The file's lines without their ends, streamed."""

    def create(self, name: str, content: BinaryIO | bytes, content_type: str) -> str:
        """Store it, belonging to this attempt, and return its id."""


class Items(Protocol):
    """The checkpoint: results of finished pieces, by index, that outlive this attempt.

    A piece that was `put` and acknowledged is never done again: not by this attempt, not by a later one.
    """

    @property
    def done(self) -> Mapping[int, Any]:
        """What earlier attempts and this one have finished."""

    def put(self, index: int, data: Any) -> None:
        """Hand in a finished piece; returns at once, sent within milliseconds. Raises LeaseLost when fenced off."""

    def flush(self) -> None:
        """Wait until everything handed in is acknowledged."""


class Context(Protocol):
    """All that a running attempt may touch."""

    job_id: str
    attempt: int
    #: Slots of the run this attempt may use at once.
    slots: int
    #: Slots of that run for people who wait for an answer now: work that nobody waits for leaves them free.
    attended: int
    #: The run it was placed on; `None` when its demand names no model or is exclusive.
    endpoint: Endpoint | None
    model: InstalledModel | None

    @property
    def files(self) -> Files: ...

    @property
    def items(self) -> Items: ...

    def progress(self, done: float, total: float | None = None, unit: str = "", rate: float | None = None) -> None:
        """Say how far it is; cheap, sent with the next sync."""

    def phase(self, name: str) -> None:
        """Name what it does now: `downloading`, `warm-up`, `decoding` …"""

    def log(self, line: str) -> None:
        """A line for `cidermill jobs logs`."""

    def emit(self, text: str) -> None:
        """A piece of streamed output, for those who follow the job."""

    def measured(self, transfers: Sequence[Transfer]) -> None:
        """What came to this host from where, and how fast: told with the end of the attempt, whatever that is."""

    def raise_if_cancelled(self) -> None:
        """Raises Cancelled when somebody cancelled the job, LeaseLost when the attempt is no longer ours."""

    def acquire(self, model: str, runtime: str, spec: RunSpec) -> Acquired:
        """Start a run of its own on this host and wait until it is ready (exclusive kinds only).

        Raises RunDied and its children when it cannot be loaded.
        """

    def release(self, run: Acquired) -> Acquired:
        """Stop it and wait until its memory is free; the answer carries its measured peak."""

    def store(self) -> ModelStore:
        """Where models go on this host (jobs of the store only)."""

    @property
    def fleet(self) -> FleetStore:
        """What the front door knows of models on disks (jobs of the store only)."""


class ModelStore(Protocol):
    """The host's disk for models: the Hugging Face cache and its neighbours."""

    @property
    def cache_dir(self) -> str: ...

    @property
    def models_dir(self) -> str:
        """Where files go that come from no hub."""

    @property
    def token(self) -> str | None: ...

    @property
    def endpoint(self) -> str: ...

    @property
    def offline(self) -> bool:
        """Whether this host was told to ask no hub."""

    @property
    def throttle(self) -> Throttle:
        """The pace of everything that comes to this host from outside of the fleet."""

    @property
    def room(self) -> Room:
        """The disks as this host's downloads share them."""

    @property
    def cache_disk(self) -> Disk:
        """Where `cache_dir` lies."""

    @property
    def models_disk(self) -> Disk:
        """Where `models_dir` lies; often the same."""


class FleetStore(Protocol):
    """The models of all hosts, as the front door knows them; all but `sources` wait for one that is away."""

    def shelf(self) -> Shelf:
        """What lies on this host."""

    def sources(self, ask: Sources) -> Sourced:
        """Hosts that have files which this one lacks; none while the front door is away."""

    def found(self, searched: Sequence[str], models: Sequence[InstallRecord]) -> list[str]:
        """Enter what other programs keep here; the names that the catalog gives them, in order."""

    def verified(self, model_id: str, files: Sequence[ShelfFile], damaged: Sequence[str]) -> None:
        """Say what the files of a model on this host really hold. Raises LeaseLost when fenced off."""


class Kind(BaseModel, ABC):
    """Parameters of one kind of job; subclasses add fields with words and limits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    #: How the kind is explained in one sentence.
    about: ClassVar[str]
    max_failures: ClassVar[int] = 3
    #: Cidermill itself submits it, as a part of something else, and nobody else may.
    internal: ClassVar[bool] = False
    #: Parameters that name the files it reads: each an id, a list of ids, or `None`. Its worker is given no others.
    reads: ClassVar[tuple[str, ...]] = ()

    def settle(self, catalog: Catalog) -> Self:
        """Fill in what depends on the fleet; asked once, before `demand`, and what it returns is stored.

        Raises InvalidParameters or NotFound.
        """
        return self

    @abstractmethod
    def demand(self, catalog: Catalog) -> Demand:
        """What it needs. Raises InvalidParameters or NotFound."""

    @abstractmethod
    def run(self, context: Context) -> Result:
        """Do it. Raises ExecutionError; anything else is reported as an internal error."""


__all__ = [
    "Capability",
    "Catalog",
    "Context",
    "Demand",
    "Files",
    "Items",
    "Kind",
    "ModelStore",
    "Progress",
    "Result",
]
