"""The life of an attempt on a worker: claimed, run, reported.

    message → claim (many at once) → run the kind → finish (many at once)

Claiming decides: a message that wins no claim is dropped. Whatever a kind raises ends here, as a typed outcome.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import structlog
from pydantic import ValidationError

from shared.errors import Cancelled, CidermillError, ExecutionError, HandedBack, InvalidInput, LeaseLost, Problem
from shared.kinds import kinds
from shared.kinds.contract import Result
from shared.protocol import (
    Assignment,
    AttemptRef,
    AttemptStatus,
    Claim,
    FinishedAttempt,
    Outcome,
    RunRef,
    Transfer,
)
from workers.context import AttemptContext
from workers.frontdoor import FrontDoor
from workers.outbox import Outbox
from workers.power.share import Share
from workers.store import host_store

log = structlog.get_logger()

_CLAIMS = 128
_THREADS = 512

Key = tuple[str, int]


class Executor:
    """Claims and runs the attempts of one lane. `on_crash` is asked to find out about a run that an attempt lost."""

    def __init__(
        self,
        front_door: FrontDoor,
        outbox: Outbox,
        worker: str,
        scratch: Path,
        models: Path,
        on_crash: Callable[[RunRef], None],
        share: Share,
        rate: int | None = None,
    ) -> None:
        self._front_door, self._outbox, self._worker, self._scratch = front_door, outbox, worker, scratch
        self._on_crash, self._share = on_crash, share
        self._store = host_store(models, rate=rate)
        self._live: dict[Key, AttemptContext] = {}
        self._changed = threading.Condition()
        self._wanted: queue.SimpleQueue[tuple[AttemptRef, Future[bool]] | None] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="attempt")
        self._claimer = threading.Thread(target=self._claim_all, name="claimer", daemon=True)

    def start(self) -> None:
        self._claimer.start()

    # --- in ---

    def on_message(self, job_id: str, attempt: int) -> None:
        """A hint from the lane: returns once the claim is decided, so that the message is acknowledged after it."""
        answer: Future[bool] = Future()
        self._wanted.put((AttemptRef(job_id=job_id, attempt=attempt), answer))
        answer.result()

    def _claim_all(self) -> None:
        while (first := self._wanted.get()) is not None:
            batch = [first]
            while len(batch) < _CLAIMS:
                try:
                    entry = self._wanted.get_nowait()
                except queue.Empty:
                    break
                if entry is None:
                    self._wanted.put(None)
                    break
                batch.append(entry)
            self._claim(batch)

    def _claim(self, batch: list[tuple[AttemptRef, Future[bool]]]) -> None:
        """Whatever happens to it is decided: a lane has one thread that claims, and all its others wait for that."""
        try:
            refs = [ref for ref, _ in batch]
            for assignment in self._front_door.claim(Claim(worker=self._worker, attempts=refs)).assignments:
                self._begin(assignment)
        except CidermillError as error:
            log.warning("claim failed, the messages will come again", error=str(error), attempts=len(batch))
        except Exception:
            log.exception("claim met an error it does not know", attempts=len(batch))
        finally:
            for _, answer in batch:
                answer.set_result(True)

    def _begin(self, assignment: Assignment) -> None:
        context = AttemptContext(assignment, self._front_door, self._outbox, self._store, self._worker, self._scratch)
        with self._changed:
            self._live[assignment.job_id, assignment.attempt] = context
        self._pool.submit(self._run, assignment, context)

    # --- run ---

    def _run(self, assignment: Assignment, context: AttemptContext) -> None:
        finished = measured(assignment, context, self._share)
        if finished is not None and finished.error is not None and finished.error.crash and assignment.run is not None:
            self._on_crash(RunRef(run_id=assignment.run.run_id, generation=assignment.run.generation))
        if finished is not None:
            self._outbox.put_finish(finished)
        with self._changed:
            self._live.pop((assignment.job_id, assignment.attempt), None)
            self._changed.notify_all()

    # --- news ---

    def statuses(self) -> list[AttemptStatus]:
        with self._changed:
            return [context.status for context in self._live.values()]

    def cancel(self, ref: AttemptRef) -> None:
        if context := self._live.get((ref.job_id, ref.attempt)):
            context.cancelled.set()

    def preempt(self, ref: AttemptRef) -> None:
        """More urgent work wants its place: it is handed back at its next check, with what it has finished."""
        if context := self._live.get((ref.job_id, ref.attempt)):
            context.preempted.set()

    def pace(self, rate: int | None) -> None:
        """What the fleet leaves to downloads of this host, in bytes per second."""
        self._store.throttle.share(rate)

    def attend(self, slots: Mapping[str, int]) -> None:
        """So many slots of each run are for people who wait for an answer; none of the runs that are not named."""
        with self._changed:
            for context in self._live.values():
                context.attended = slots.get(context.run_id, 0)

    def drop(self, ref: AttemptRef) -> None:
        """Somebody else's now: stop, say nothing."""
        if context := self._live.get((ref.job_id, ref.attempt)):
            log.warning("attempt dropped", job=ref.job_id, attempt=ref.attempt)
            context.fenced.set()

    # --- out ---

    def stop(self, patience: float) -> None:
        """Let attempts finish for `patience` seconds, then hand back the rest and wait for them."""
        self._wanted.put(None)
        with self._changed:
            self._changed.wait_for(lambda: not self._live, patience)
            for context in self._live.values():
                context.handed_back.set()
            self._changed.wait_for(lambda: not self._live, patience + 5.0)
        self._pool.shutdown(wait=False)


def measured(assignment: Assignment, context: AttemptContext, share: Share) -> FinishedAttempt | None:
    """`perform`, and in its result the joules that the attempt used, where they are known."""
    with share.using(assignment.slots) as stay:
        finished = perform(assignment, context)
        joules = stay.joules()
    if finished is None or finished.result is None or joules is None:
        return finished
    return finished.model_copy(update={"result": finished.result | {"joules": round(joules, 3)}})


def perform(assignment: Assignment, context: AttemptContext) -> FinishedAttempt | None:
    """Run the kind and say how it ended; `None` when it is nobody's business any more.

    Here everything is caught: a kind's mistake must end a job, never a worker.
    """
    try:
        result = _kind_result(assignment, context)
        context.items.flush()
        return _finished(assignment, context.transfers, Outcome.SUCCEEDED, result=result)
    except LeaseLost:
        return None
    except Cancelled as error:
        return _finished(assignment, context.transfers, Outcome.CANCELLED, error=error.problem)
    except HandedBack:
        return _finished(assignment, context.transfers, Outcome.RELEASED)
    except CidermillError as error:
        return _finished(assignment, context.transfers, Outcome.FAILED, error=_as_execution(error))
    except Exception as error:
        log.exception("kind raised", kind=assignment.kind, job=assignment.job_id)
        problem = Problem(
            code="internal_error",
            what=f"The {assignment.kind} job met an error it does not know",
            why=f"{type(error).__name__}: {error}"[:500],
            fix="this is a bug: please report it with the worker's log",
            retryable=True,
        )
        return _finished(assignment, context.transfers, Outcome.FAILED, error=problem)


def _kind_result(assignment: Assignment, context: AttemptContext) -> Result:
    kind = kinds().get(assignment.kind)
    if kind is None:
        raise InvalidInput(
            f"This worker does not know jobs of the kind {assignment.kind!r}",
            "the front door is newer than this host",
            "update Cidermill on this host",
        )
    try:
        job = kind.model_validate(assignment.params)
    except ValidationError as error:
        raise InvalidInput(
            f"The parameters do not suit the kind {assignment.kind!r}",
            str(error.errors()[0]["msg"]),
            "update Cidermill so that this host and the front door agree",
        ) from error
    return job.run(context)


def _as_execution(error: CidermillError) -> Problem:
    """Errors that are not about execution (a missing file, a front door away) carry over as they are."""
    if isinstance(error, ExecutionError) or error.retryable:
        return error.problem
    return error.problem.model_copy(update={"retryable": False})


def _finished(
    assignment: Assignment,
    transfers: list[Transfer],
    outcome: Outcome,
    result: Result | None = None,
    error: Problem | None = None,
) -> FinishedAttempt:
    return FinishedAttempt(
        job_id=assignment.job_id,
        attempt=assignment.attempt,
        outcome=outcome,
        result=result.data if result else None,
        error=error,
        installs=result.installs if result else [],
        transfers=transfers,
    )
