"""Writes the answers of a batch whose jobs are over: one line for each line that was asked, model by model in order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.batches import rows
from api.batches.contract import BatchState, Dialect, Part, Unanswered
from api.batches.dialects import dialect_of
from api.batches.lines import lines, parsed
from api.batches.split import mistake
from api.deps import FrontDoor
from api.gateway.pieces import Usage, usage_of
from shared import files
from shared.db import clock_time, let_go
from shared.errors import CidermillError, EngineFailed, InvalidInput, InvalidParameters, NotFound, Problem, revive
from shared.files import NO_LIMIT, Sink, Stored
from shared.tables import Batch, File, Job, Result
from shared.vocabulary import JobState

#: Answers read at once: one with many vectors has megabytes.
_AT_ONCE = 20


def collect(door: FrontDoor, row: Batch) -> None:
    """Write its files and end it. Raises NoCapacity, to be tried again; then nothing is kept."""
    with _written(door, row) as into, door.read() as session:
        expired = clock_time(session) >= row.expires_at
        state = _write(session, door, row, into, Unanswered.EXPIRED if expired else Unanswered.CANCELLED)
    with _entered(door, row, into) as session:
        output, errors = into.known(session)
        if not rows.finish(session, row, state, into.counts, into.usage, into.mistakes, output, errors):
            session.rollback()
            into.forget()


def refuse(door: FrontDoor, row: Batch, error: CidermillError) -> None:
    """End a batch that cannot be begun; where each line has its result, each says why. Raises NoCapacity."""
    dialect = dialect_of(row.dialect)
    with _written(door, row) as into, door.read() as session, suppress(NotFound):
        if dialect.together:
            say = partial(dialect.refused, problem=error.problem, status=error.status)
            _unasked(session, door, row, into, "failed", say)
    with _entered(door, row, into) as session:
        output, _ = into.known(session)
        if not rows.fail(session, row, row.total, [mistake(None, error.code, error.problem.sentence())], output):
            session.rollback()
            into.forget()


def are_known(door: FrontDoor, row: Batch, stored: Sequence[Stored]) -> bool:
    """Whether the database took files of a batch that were to be entered together with a change of it.

    A commit that was not answered holds the batch's row until it is over; so that is waited for.
    """
    if not stored:
        return False
    with door.database.write() as session:
        session.get(Batch, row.id, with_for_update=True)
        return session.get(File, stored[0].id) is not None


@contextmanager
def _entered(door: FrontDoor, row: Batch, into: _Files) -> Iterator[Session]:
    """A transaction that is to make files known; those that it did not are forgotten."""
    try:
        with door.write() as session:
            yield session
    except BaseException:
        if not are_known(door, row, into.stored):
            into.forget()
        raise


@contextmanager
def _written(door: FrontDoor, row: Batch) -> Iterator[_Files]:
    """Files that are kept when the block ends; when it fails nothing is."""
    into = _Files(door, row)
    try:
        yield into
        into.keep()
    except BaseException:
        into.discard()
        raise


def _write(session: Session, door: FrontDoor, row: Batch, into: _Files, why: Unanswered) -> BatchState:
    dialect = dialect_of(row.dialect)
    left = row.total
    for part in rows.parts_of(row):
        left -= part.lines
        with into.failing(part.lines):
            _part(session, door, dialect, part, into, why)
    if row.in_progress_at is None:
        with into.failing(left):
            _unasked(session, door, row, into, why.value, partial(dialect.unanswered, why=why))
    if row.refused_file is not None:
        with into.failing(left):
            refused = files.find(session, row.refused_file)
            let_go(session)
            for _, line in lines(door.store, refused.id, refused.size):
                into.put("failed", line)
    if into.mistakes:
        return BatchState.FAILED
    if row.cancelling_at is not None:
        return BatchState.CANCELLED
    return BatchState.EXPIRED if into.counts[Unanswered.EXPIRED] else BatchState.COMPLETED


def _part(session: Session, door: FrontDoor, dialect: Dialect, part: Part, into: _Files, why: Unanswered) -> None:
    job, file = session.get(Job, part.job), files.find(session, part.file)
    let_go(session)
    failure = Problem.model_validate(job.error) if job and job.state == JobState.FAILED and job.error else None
    if failure is not None and failure.code == "deadline_passed":
        failure = None
    finished = _results(session, part.job)
    following = next(finished, None)
    for index, (_, line) in enumerate(lines(door.store, file.id, file.size)):
        written = json.loads(line)
        if following is not None and following[0] == index:
            word, said = _answer(dialect, into.endpoint, written, following[1])
            into.usage += usage_of(following[1].get("usage") or {})
            following = next(finished, None)
        elif failure is not None:
            word, said = _refusal(dialect, written, failure)
        else:
            word, said = why.value, dialect.unanswered(written["custom_id"], why)
        into.put(word, json.dumps(said, ensure_ascii=False).encode(errors="replace"))


def _unasked(
    session: Session, door: FrontDoor, row: Batch, into: _Files, word: str, say: Callable[[str | None], dict[str, Any]]
) -> None:
    """What to say of each line of a batch that ended before it was split, by its id."""
    file = files.held(session, row.input_file)
    let_go(session)
    # A line that is too long for any is no line, nor is what follows it.
    with suppress(InvalidParameters):
        for _, line in lines(door.store, file.id, file.size):
            into.put(word, json.dumps(say(_custom_id(line)), ensure_ascii=False).encode(errors="replace"))


def _custom_id(line: bytes) -> str | None:
    """Of a line as its author wrote it, if it has one."""
    try:
        written = parsed(line)
    except InvalidParameters:
        return None
    given = written.get("custom_id") if isinstance(written, dict) else None
    return given if isinstance(given, str) else None


def _answer(
    dialect: Dialect, endpoint: str, written: dict[str, Any], data: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    if "error" in data:
        return _refusal(dialect, written, Problem.model_validate(data["error"]))
    try:
        asked = dialect.read(written["asked"], endpoint)
        said = asked.exchange.whole(data["response"] | {"model": asked.exchange.model})
    except CidermillError as error:
        # What cannot be had shows with some answers only: a vector that is shorter than was asked for.
        return _refusal(dialect, written, error.problem)
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        return _refusal(dialect, written, EngineFailed("The engine's answer cannot be read", why, "ask again").problem)
    return "completed", dialect.answered(asked.custom_id, said.decode() if isinstance(said, bytes) else said)


def _refusal(dialect: Dialect, written: dict[str, Any], problem: Problem) -> tuple[str, dict[str, Any]]:
    error: CidermillError = revive(problem)
    # What was wrong with a line itself is its author's mistake, wherever it was noticed.
    status = HTTPStatus.BAD_REQUEST if isinstance(error, InvalidInput) else error.status
    status = int(problem.details.get("status") or status)
    return "failed", dialect.refused(written["custom_id"], problem, status)


def _results(session: Session, job_id: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Finished lines of a job in order, some at a time; to write those of a page may take long."""
    after = -1
    while True:
        query = select(Result.index, Result.data).where(Result.job_id == job_id, Result.index > after)
        found = session.execute(query.order_by(Result.index).limit(_AT_ONCE)).all()
        let_go(session)
        yield from ((index, data) for index, data in found)
        if len(found) < _AT_ONCE:
            return
        after = found[-1][0]


class _Files:
    """The output and the error file while they are written; a dialect may have one file for both."""

    def __init__(self, door: FrontDoor, row: Batch) -> None:
        self._door, self._row = door, row
        #: What the lines ask, as the client wrote it.
        self.endpoint = row.endpoint
        self._together = dialect_of(row.dialect).together
        self._sinks: dict[str, Sink] = {}
        self._stored: dict[str, Stored] = {}
        self.counts: Counter[str] = Counter(completed=0, failed=0)
        #: Of what was answered.
        self.usage = Usage()
        #: Why some of its lines cannot be told.
        self.mistakes: list[dict[str, Any]] = []

    def put(self, word: str, line: bytes) -> None:
        """One line that is `completed`, `failed`, or an `Unanswered`."""
        self.counts[word] += 1
        name = "output" if self._together or word == "completed" else "errors"
        if name not in self._sinks:
            self._sinks[name] = self._door.store.sink(NO_LIMIT)
        self._sinks[name].write(line + b"\n")

    @contextmanager
    def failing(self, number: int) -> Iterator[None]:
        """When the bytes of a file with so many lines are gone they fail: nobody could wait for them to come back."""
        try:
            yield
        except NotFound as error:
            self.counts["failed"] += number
            self.mistakes.append(mistake(None, error.code, error.problem.sentence()))

    @property
    def stored(self) -> list[Stored]:
        return list(self._stored.values())

    def keep(self) -> None:
        self._stored = {name: sink.keep() for name, sink in self._sinks.items()}

    def discard(self) -> None:
        for sink in self._sinks.values():
            sink.discard()

    def forget(self) -> None:
        for each in self.stored:
            self._door.store.remove(each.id)

    def known(self, session: Session) -> tuple[str | None, str | None]:
        """Enter what was kept; the ids of output and errors."""
        for name, each in self._stored.items():
            files.add(
                session, each, name=f"{self._row.id}-{name}.jsonl", purpose="batch_output",
                content_type="application/jsonl", owner=self._row.owner, keep=self._row.output_seconds,
            )  # fmt: skip
        ids = {name: each.id for name, each in self._stored.items()}
        return ids.get("output"), ids.get("errors")
