"""A context for kinds under test: a real endpoint, files in a folder, and checkpoints that outlive an attempt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from shared.errors import Cancelled, NotFound
from shared.kinds.contract import FleetStore, ModelStore
from shared.protocol import Acquired, Transfer
from shared.runtimes import Endpoint, InstalledModel, RunSpec
from shared.units import Bytes
from shared.vocabulary import Capability
from tests.alone import AloneInTheFleet


class LocalFiles:
    """Files of the front door as files of a folder; the id is the file's name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, file_id: str) -> BinaryIO:
        path = self.folder / file_id
        if not path.exists():
            raise NotFound(f"There is no file {file_id}")
        return path.open("rb")

    def lines(self, file_id: str) -> Iterator[bytes]:
        with self.open(file_id) as file:
            yield from (line.rstrip(b"\r\n") for line in file)

    def create(self, name: str, content: BinaryIO | bytes, content_type: str) -> str:
        (self.folder / name).write_bytes(content if isinstance(content, bytes) else content.read())
        return name


class LocalItems:
    """Checkpoints in memory; given to a second context, they are what its earlier attempt left.

    Refuses to be told the same piece twice, as the promise to kinds is that none is done twice.
    """

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}
        self._grown = threading.Condition()
        self.flushed = 0
        #: Called with how many there are, before the attempt goes on.
        self.then: Callable[[int], None] = lambda _: None

    @property
    def done(self) -> Mapping[int, Any]:
        return self._done

    def put(self, index: int, data: Any) -> None:
        assert index not in self._done, f"item {index} was done twice"
        with self._grown:
            self._done[index] = data
            self._grown.notify_all()
        self.then(len(self._done))

    def flush(self) -> None:
        self.flushed = len(self._done)

    def wait_for(self, count: int, seconds: float = 60) -> None:
        """Wait until that many pieces are done."""
        with self._grown:
            assert self._grown.wait_for(lambda: len(self._done) >= count, seconds), f"only {len(self._done)}"


class LocalContext:
    """An attempt without a front door; what the kind says is kept in lists."""

    def __init__(
        self,
        folder: Path,
        endpoint: Endpoint | None = None,
        items: LocalItems | None = None,
        attempt: int = 1,
        acquire: Callable[[str, str, RunSpec], Acquired] | None = None,
        release: Callable[[Acquired], Acquired] | None = None,
    ) -> None:
        self.job_id = "job_test"
        self.attempt = attempt
        self.slots = endpoint.slots if endpoint else 1
        self.attended = 0
        self.endpoint = endpoint
        self.model: InstalledModel | None = None
        self.files = LocalFiles(folder)
        self.items = items or LocalItems()
        self.cancelled = threading.Event()
        self.progresses: list[tuple[float, float | None, str, float | None]] = []
        self.phases: list[str] = []
        self.lines: list[str] = []
        self.emitted: list[str] = []
        self.spoke = threading.Event()
        self._acquire, self._release = acquire, release

    def progress(self, done: float, total: float | None = None, unit: str = "", rate: float | None = None) -> None:
        self.progresses.append((done, total, unit, rate))

    def phase(self, name: str) -> None:
        self.phases.append(name)

    def log(self, line: str) -> None:
        self.lines.append(line)

    def emit(self, text: str) -> None:
        self.emitted.append(text)
        self.spoke.set()

    def measured(self, transfers: Sequence[Transfer]) -> None:
        raise NotImplementedError

    def raise_if_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled("The job was cancelled")

    def acquire(self, model: str, runtime: str, spec: RunSpec) -> Acquired:
        assert self._acquire is not None, "this context has no host to start runs on"
        return self._acquire(model, runtime, spec)

    def release(self, run: Acquired) -> Acquired:
        assert self._release is not None, "this context has no host to stop runs on"
        return self._release(run)

    @property
    def fleet(self) -> FleetStore:
        return AloneInTheFleet()

    def store(self) -> ModelStore:
        raise AssertionError("this context has no model store")


class LocalCatalog:
    """A catalog of given models, the runtimes that load each, and given files."""

    def __init__(
        self,
        models: Mapping[str, InstalledModel] | None = None,
        runtimes: Mapping[str, list[str]] | None = None,
        files: Mapping[str, int] | None = None,
    ) -> None:
        self._models, self._runtimes, self._files = models or {}, runtimes or {}, files or {}

    def model(self, name: str) -> InstalledModel:
        if name not in self._models:
            raise NotFound(f"There is no model {name}")
        return self._models[name]

    def file_size(self, file_id: str) -> Bytes:
        if file_id not in self._files:
            raise NotFound(f"There is no file {file_id}")
        return Bytes(self._files[file_id])

    def runtimes(self, model: str, capability: Capability) -> list[str]:
        return self._runtimes.get(model, [])

    def on_disk(self, host: str, repo: str, commit: str) -> set[tuple[str, int]]:
        return set()

    def asking(self) -> AbstractContextManager[None]:
        return nullcontext()
