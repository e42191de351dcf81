"""All that a running attempt may touch: the kinds' `Context`, over the worker protocol."""

from __future__ import annotations

import io
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from shared.errors import BadRequest, Cancelled, CidermillError, HandedBack, LeaseLost, RunDied, Unavailable, revive
from shared.identifiers import new_id
from shared.kinds.contract import ModelStore
from shared.protocol import (
    Acquire,
    Acquired,
    Assignment,
    AttemptRef,
    AttemptStatus,
    Item,
    Output,
    Progress,
    Recall,
    Release,
    Transfer,
)
from shared.runtimes import RunSpec
from shared.vocabulary import RunState
from workers.fleet import AttemptFleet
from workers.frontdoor import FrontDoor, patiently
from workers.outbox import Outbox
from workers.store import HostStore

_POLL_RUN = 0.1
_SPOOL_MEMORY = 8 << 20


class AttemptFiles:
    """The front door's files, as one attempt sees them."""

    def __init__(self, context: AttemptContext) -> None:
        self._context = context

    def open(self, file_id: str) -> BinaryIO:
        into = cast(IO[bytes], tempfile.SpooledTemporaryFile(_SPOOL_MEMORY, dir=str(self._context.scratch)))  # noqa: SIM115

        def fetch() -> None:
            into.seek(0)
            into.truncate()
            self._context.front_door.download(file_id, into)

        patiently(fetch, self._context.raise_if_cancelled)
        into.seek(0)
        return cast(BinaryIO, into)

    def lines(self, file_id: str) -> Iterator[bytes]:
        with self.open(file_id) as file:
            for line in file:
                yield line.rstrip(b"\r\n")

    def create(self, name: str, content: BinaryIO | bytes, content_type: str) -> str:
        stream = io.BytesIO(content) if isinstance(content, bytes) else content
        context = self._context

        def send() -> str:
            stream.seek(0)
            return context.front_door.upload(context.ref, context.worker, name, content_type, stream)

        return patiently(send, context.raise_if_cancelled)


class AttemptItems:
    """The checkpoint of one attempt."""

    def __init__(self, context: AttemptContext, outbox: Outbox) -> None:
        self._context = context
        self._outbox = outbox
        self._ticket = 0
        self._found: dict[int, Any] | None = None
        self._looking = threading.Lock()

    @property
    def done(self) -> Mapping[int, Any]:
        return self._done

    @property
    def _done(self) -> dict[int, Any]:
        with self._looking:
            if self._found is None:
                self._found = self._recalled()
            return self._found

    def _recalled(self) -> dict[int, Any]:
        """Asked for piece by piece when a kind looks: it may be more than a claim could carry in time."""
        context = self._context
        found: dict[int, Any] = {}
        ask = Recall(job_id=context.job_id, attempt=context.attempt, worker=context.worker)
        more = context.attempt > 1
        while more:
            page = patiently(partial(context.front_door.recall, ask), context.raise_if_cancelled)
            found |= {item.index: item.data for item in page.items}
            ask = ask.model_copy(update={"after": next(reversed(found), -1)})
            more = page.more
            context.raise_if_cancelled()
        return found

    def put(self, index: int, data: Any) -> None:
        self._context.raise_if_fenced()
        self._ticket = self._outbox.put_items(self._context.ref, [Item(index=index, data=data)])
        self._done[index] = data

    def flush(self) -> None:
        while not self._outbox.wait(self._ticket, timeout=1.0):
            self._context.raise_if_fenced()
        self._context.raise_if_fenced()


class AttemptContext:
    """One attempt on this worker; flags are set by the agent's news, read by the kind."""

    def __init__(
        self,
        assignment: Assignment,
        front_door: FrontDoor,
        outbox: Outbox,
        store: HostStore,
        worker: str,
        scratch: Path,
    ) -> None:
        self.ref = AttemptRef(job_id=assignment.job_id, attempt=assignment.attempt)
        self.job_id, self.attempt = assignment.job_id, assignment.attempt
        self.slots, self.attended = assignment.slots, 0
        self.run_id = assignment.run.run_id if assignment.run else ""
        self.endpoint = assignment.run.endpoint if assignment.run else None
        self.model = assignment.model
        self.front_door, self.worker, self.scratch = front_door, worker, scratch
        self.files = AttemptFiles(self)
        self.items = AttemptItems(self, outbox)
        self._store = store
        self._status = AttemptStatus(job_id=self.job_id, attempt=self.attempt, worker=worker)
        self._acquired: dict[str, Acquire] = {}
        self.transfers: list[Transfer] = []
        self.cancelled = threading.Event()
        self.fenced = threading.Event()
        self.handed_back = threading.Event()
        self.preempted = threading.Event()

    # --- what the worker reads ---

    @property
    def status(self) -> AttemptStatus:
        return self._status

    # --- what the kind calls ---

    def progress(self, done: float, total: float | None = None, unit: str = "", rate: float | None = None) -> None:
        self._status = self._status.model_copy(
            update={"progress": Progress(done=done, total=total, unit=unit, rate=rate)}
        )

    def phase(self, name: str) -> None:
        self._status = self._status.model_copy(update={"phase": name})

    def log(self, line: str) -> None:
        self._tell(Output(job_id=self.job_id, attempt=self.attempt, worker=self.worker, log=[line]))

    def emit(self, text: str) -> None:
        self._tell(Output(job_id=self.job_id, attempt=self.attempt, worker=self.worker, text=text))

    def measured(self, transfers: Sequence[Transfer]) -> None:
        self.transfers = list(transfers)

    def raise_if_cancelled(self) -> None:
        self.raise_if_fenced()
        if self.cancelled.is_set():
            raise Cancelled("The job was cancelled", "somebody asked for it", "submit it again, or retry it")
        if self.handed_back.is_set():
            raise HandedBack("The worker stops", "its host is shutting down or draining", "nothing: it runs again")
        if self.preempted.is_set():
            raise HandedBack("The job gives way", "its place is needed", "nothing: it goes on where it stopped")

    def raise_if_fenced(self) -> None:
        if self.fenced.is_set():
            raise LeaseLost("This attempt is over", "the job was given to another worker", "nothing: it goes on there")

    def acquire(self, model: str, runtime: str, spec: RunSpec) -> Acquired:
        message = Acquire(
            job_id=self.job_id, attempt=self.attempt, worker=self.worker, request=new_id("req"), model=model,
            runtime=runtime, spec=spec,
        )  # fmt: skip
        run = self._poll(message, {RunState.READY, RunState.FAILED, RunState.STOPPED})
        if run.state != RunState.READY:
            raise revive(run.error) if run.error else RunDied("The run ended before it was ready", "it was stopped")
        self._acquired[run.run_id] = message
        return run

    def release(self, run: Acquired) -> Acquired:
        message = Release(job_id=self.job_id, attempt=self.attempt, worker=self.worker, run_id=run.run_id)
        patiently(lambda: self.front_door.release(message), self.raise_if_cancelled)
        return self._poll(self._acquired.pop(run.run_id), {RunState.FAILED, RunState.STOPPED})

    def store(self) -> ModelStore:
        return self._store

    @property
    def fleet(self) -> AttemptFleet:
        return AttemptFleet(self.front_door, self.job_id, self.attempt, self.worker, self.raise_if_cancelled, self.log)

    def _poll(self, message: Acquire, until: set[RunState]) -> Acquired:
        while True:
            answer = patiently(lambda: self.front_door.acquire(message), self.raise_if_cancelled)
            if RunState(answer.state) in until:
                return answer
            if answer.waiting:
                self.phase(answer.waiting[:64])
            self.raise_if_cancelled()
            time.sleep(_POLL_RUN)

    def _tell(self, output: Output) -> None:
        """Words for people are worth neither waiting nor ending: a front door that cannot take them misses them."""
        try:
            if not self.front_door.output(output).accepted:
                self.fenced.set()
        except (Unavailable, BadRequest):
            return
        except CidermillError:
            self.fenced.set()
