"""What a worker reports: in order, batched, and kept on disk while the front door cannot be reached."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from shared import protocol
from shared.errors import BadRequest, CidermillError, Unauthorized, Unavailable
from shared.protocol import AttemptRef, FinishedAttempt, Item, Outcome, RunReport, Verdict
from workers.frontdoor import FrontDoor
from workers.reports import Items, Report, Waiting, plain, size_of, together, untold, written
from workers.spool import Entry, Spool, left_behind

log = structlog.get_logger()

_BATCH = 256
_RETRY_FIRST, _RETRY_LIMIT = 0.2, 5.0

Message = TypeVar("Message", bound=BaseModel)


class Outbox:
    """One sender thread. `on_stale` hears of attempts that turned out to be somebody else's."""

    def __init__(
        self, front_door: FrontDoor, worker: str, folder: Path, on_stale: Callable[[AttemptRef], None]
    ) -> None:
        self._front_door = front_door
        self._worker = worker
        self._spool = Spool(folder, worker)
        self._on_stale = on_stale
        self._queue: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._taken = self._settled = 0
        #: Neither the front door nor the disk took the first reports of the queue.
        self._stuck = False
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put_items(self, ref: AttemptRef, items: list[Item]) -> int:
        """Hand in finished pieces; the number to `wait` for. Raises ExecutionError when they can never be reported."""
        message = protocol.Items(job_id=ref.job_id, attempt=ref.attempt, worker=self._worker, items=items)
        if (size := size_of(message)) is None:
            log.error("pieces of a job cannot be reported", job=ref.job_id, attempt=ref.attempt)
            raise untold()
        return self._put(Items(ref=ref, items=items), size)

    def put_finish(self, finished: FinishedAttempt) -> int:
        """Hand in how an attempt ended; as failed when that can never be reported."""
        if (size := size_of(protocol.Finish(worker=self._worker, attempts=[finished]))) is None:
            log.error("the end of an attempt cannot be reported", job=finished.job_id, attempt=finished.attempt)
            failed = FinishedAttempt(job_id=finished.job_id, attempt=finished.attempt, outcome=Outcome.FAILED)
            finished = failed.model_copy(update={"error": plain(finished.error)})
        return self._put(finished, size or 0)

    def put_run(self, report: RunReport) -> int:
        """Hand in what became of a run; without its error's words when these can never be reported."""
        if (size := size_of(report)) is None:
            log.error("the error of a run cannot be reported", run=report.run_id)
            report = report.model_copy(update={"error": plain(report.error)})
        return self._put(report, size or 0)

    def wait(self, ticket: int, timeout: float | None = None) -> bool:
        """Until everything up to `ticket` is answered, or safe on disk."""
        with self._changed:
            return self._changed.wait_for(lambda: self._settled >= ticket, timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Deliver what is left, or spool it, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        self.leave()

    def leave(self) -> None:
        """Put on disk what nobody has taken yet: this process ends. The sender may be at it; twice is harmless."""
        with self._changed:
            left = list(self._queue)
        entries: list[Entry] = []
        while left:
            batch = together(left[:_BATCH])
            entries += [entry for entry, _ in written(batch, self._worker)]
            left = left[len(batch) :]
        if entries:
            self._store(entries)

    def _put(self, report: Report, size: int) -> int:
        with self._changed:
            self._queue.append(Waiting(report, size))
            self._taken += 1
            self._changed.notify_all()
            return self._taken

    def _work(self) -> None:
        delay = _RETRY_FIRST
        while (batch := self._next(delay if self._stuck or not self._spool.empty else None)) is not None:
            try:
                if self._spool.empty or not self._keep(batch):
                    self._send(batch)
                else:
                    self._replay()
                delay = _RETRY_FIRST
            except Unavailable:
                if self._stuck and self._closing:
                    return
                delay = min(_RETRY_LIMIT, delay * 2)

    def _next(self, retry_in: float | None) -> list[Report] | None:
        """The next reports that go together, which stay in the queue; `[]`: only the spool is due; `None`: the end."""
        with self._changed:
            patience = random.uniform(retry_in / 2, retry_in) if retry_in is not None else None
            self._changed.wait_for(lambda: (self._queue and not self._stuck) or self._closing, patience)
            self._stuck = False
            if not self._queue:
                return None if self._closing else []
            return together(islice(self._queue, _BATCH))

    def _send(self, batch: list[Report]) -> None:
        """Deliver a batch; what cannot be delivered goes to disk, behind what is there. Raises Unavailable."""
        if not self._spool.empty:
            self._replay()
        entries = written(batch, self._worker)
        for position, (entry, refs) in enumerate(entries):
            try:
                self._deliver(entry, refs)
            except Unavailable:
                if self._store([entry for entry, _ in entries[position:]]):
                    self._settle(len(batch))
                raise
        self._settle(len(batch))

    def _settle(self, count: int) -> None:
        with self._changed:
            for _ in range(count):
                self._queue.popleft()
            self._settled += count
            self._changed.notify_all()

    def _keep(self, batch: list[Report]) -> bool:
        """While older reports lie on disk, newer ones go behind them, as long as the disk takes them."""
        if batch and not self._store([entry for entry, _ in written(batch, self._worker)]):
            return False
        self._settle(len(batch))
        return True

    def _store(self, entries: list[Entry]) -> bool:
        try:
            self._spool.append(entries)
        except OSError as error:
            log.error("reports cannot be kept on disk", reason=str(error))
            self._stuck = True
            return False
        return True

    def _replay(self) -> None:
        """Deliver what is on disk. Raises Unavailable, also while the disk does not let it be read or removed."""
        try:
            sent = self._spool.replay(lambda entry: self._deliver(entry, []))
        except OSError as error:
            log.error("reports kept on disk cannot be delivered", reason=str(error))
            raise Unavailable("The disk does not give back what it keeps", str(error), "look at the disk") from error
        log.info("spool delivered", reports=sent)

    def _deliver(self, entry: Entry, refs: list[AttemptRef]) -> None:
        try:
            stale = deliver(self._front_door, entry)
        except Unavailable:
            raise
        except CidermillError as error:
            log.error("report refused", path=entry.path, error=str(error))
            stale = refs
        for ref in stale:
            self._on_stale(ref)


def deliver(front_door: FrontDoor, entry: Entry) -> list[AttemptRef]:
    """Send one report; the attempts in it that are no longer this worker's. Raises BadRequest when it is none."""
    if entry.path == "/finish":
        finish = _kept(protocol.Finish, entry)
        verdicts = front_door.finish(finish).verdicts
        return [ref for ref, verdict in zip(finish.attempts, verdicts, strict=True) if verdict == Verdict.STALE]
    if entry.path == "/items":
        items = _kept(protocol.Items, entry)
        return [] if front_door.items(items).accepted else [items]
    front_door.report(_kept(RunReport, entry))
    return []


def deliver_left(front_door: FrontDoor, spool: Spool) -> int:
    """Send what a gone worker had kept; how many there were.

    One that can never be taken is left out, so that it keeps neither the others nor the host. Raises Unavailable and
    Unauthorized, and then all is kept.
    """

    def send(entry: Entry) -> None:
        try:
            deliver(front_door, entry)
        except (Unavailable, Unauthorized):
            raise
        except CidermillError as error:
            log.error("report of a gone worker refused", worker=spool.path.stem, path=entry.path, error=str(error))

    return spool.replay(send)


def deliver_all_left(front_door: FrontDoor, folder: Path, living: set[str]) -> None:
    """Send what every worker but the living ones had kept, oldest first. Raises as `deliver_left` does.

    What the disk does not give back stays for another try; it keeps neither the others nor the host.
    """
    for spool in left_behind(folder):
        worker = spool.path.stem
        if worker in living:
            continue
        try:
            sent = deliver_left(front_door, spool)
        except OSError as error:
            log.error("what a gone worker had kept cannot be read", worker=worker, reason=str(error))
        else:
            log.info("delivered what a gone worker had kept", worker=worker, reports=sent)


def _kept(sort: type[Message], entry: Entry) -> Message:
    try:
        return sort.model_validate_json(entry.body)
    except ValidationError as error:
        why = error.errors(include_url=False, include_input=False, include_context=False)[0]["msg"]
        # Pydantic's own words would put what is in it into the log.
        raise BadRequest("A report cannot be read", why, "nothing: it is left out") from None
