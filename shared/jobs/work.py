"""What workers take, and what they hand in on the way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Text, bindparam, cast, select
from sqlalchemy.orm import Session

from shared import catalog, events, guards
from shared.errors import NotFound, StaleTransition
from shared.events import NewEvent
from shared.jobs import inputs, state
from shared.protocol import (
    Assignment,
    AttemptRef,
    Claim,
    ClaimedRun,
    FinishedAttempt,
    Item,
    Output,
    Recall,
    Recalled,
    Verdict,
)  # fmt: skip
from shared.runtimes import Endpoint, InstalledModel
from shared.store import speeds
from shared.tables import Attempt, File, Job, Result, Run

_LOG_LINE = 4096
#: Letters of items that one answer holds; one that has more of them comes alone.
_RECALLED = 4 << 20
#: Rows that are read of the database together.
_AT_ONCE = 100

# Built once: every claim asks them.
_JOBS = select(Job).where(Job.id.in_(bindparam("ids", expanding=True)))
_RUNS = select(Run.id, Run.generation, Run.endpoint).where(Run.id.in_(bindparam("ids", expanding=True)))

#: A job's kind, and seconds from queued until its first attempt started.
Wait = tuple[str, float]


def claim(session: Session, host: str, ask: Claim, lease: float) -> tuple[list[Assignment], list[Wait]]:
    """Attempts won by this worker, with all that their kinds need, in the order asked for; and how long they waited."""
    won = {(a.job_id, a.number): a for a in state.claim(session, host, ask.worker, ask.attempts, lease)}
    if not won:
        return [], []
    attempts = [won[ref.job_id, ref.attempt] for ref in ask.attempts if (ref.job_id, ref.attempt) in won]
    jobs = {job.id: job for job in session.scalars(_JOBS, {"ids": [a.job_id for a in attempts]})}
    runs = _runs(session, attempts)
    model_ids = {job.model_id for job in jobs.values() if job.model_id is not None}
    models = catalog.on_host(session, sorted(model_ids), host) if model_ids else {}
    given = [_assignment(a, jobs[a.job_id], runs.get(a.run_id or ""), models) for a in attempts]
    waits = [_wait(jobs[a.job_id], a) for a in attempts if a.number == 1]
    return given, waits


def _wait(job: Job, attempt: Attempt) -> Wait:
    return job.kind, max(0.0, (attempt.started_at or job.queued_at) - job.queued_at)


def _runs(session: Session, attempts: Sequence[Attempt]) -> dict[str, ClaimedRun]:
    run_ids = {a.run_id for a in attempts if a.run_id is not None}
    if not run_ids:
        return {}
    rows = session.execute(_RUNS, {"ids": run_ids})
    return {
        run_id: ClaimedRun(run_id=run_id, generation=generation, endpoint=Endpoint.model_validate(endpoint))
        for run_id, generation, endpoint in rows
        if endpoint is not None
    }


def _assignment(attempt: Attempt, job: Job, run: ClaimedRun | None, models: dict[str, InstalledModel]) -> Assignment:
    return Assignment(
        job_id=attempt.job_id,
        attempt=attempt.number,
        kind=job.kind,
        params=job.params,
        priority=job.priority,
        slots=attempt.slots,
        run=run,
        model=models.get(job.model_id or ""),
        labels=job.labels,
    )


def recall(session: Session, host: str, said: Recall) -> Recalled:
    """What earlier attempts finished, in order, as much as one answer holds.

    Raises StaleTransition when the attempt is no longer this worker's.
    """
    check_running(session, said, said.worker, host)
    query = select(Result.index, cast(Result.data, Text)).where(Result.job_id == said.job_id, Result.index > said.after)
    items: list[Item] = []
    size = 0
    with session.execute(query.order_by(Result.index), execution_options={"yield_per": _AT_ONCE}) as rows:
        for index, data in rows:
            size += len(data)
            if items and size > _RECALLED:
                return Recalled(items=items, more=True)
            items.append(Item(index=index, data=json.loads(data)))
    return Recalled(items=items)


def finish(
    session: Session, host: str, worker: str, reports: Sequence[FinishedAttempt], max_crashes: int
) -> list[Verdict]:
    """End attempts; what accepted downloads installed enters the catalog with them, and how fast it came is learned."""
    verdicts = state.finish(session, host, worker, reports, max_crashes)
    for report, verdict in zip(reports, verdicts, strict=True):
        if verdict == Verdict.ACCEPTED:
            catalog.register(session, host, report.installs)
            speeds.note(session, host, report.transfers)
    return verdicts


def output(session: Session, host: str, said: Output) -> bool:
    """Keep log lines and streamed text as events; `False` when the attempt is no longer this worker's."""
    if not running(session, said, said.worker, host):
        return False
    told: list[NewEvent] = []
    if said.log:
        told.append(_said(said, host, "job.log", lines=[line[:_LOG_LINE] for line in said.log]))
    if said.text:
        told.append(_said(said, host, "job.output", text=said.text))
    events.record(session, told)
    return True


def _said(said: Output, host: str, type_: str, **data: Any) -> NewEvent:
    return {"type": type_, "job_id": said.job_id, "host": host, "data": {"attempt": said.attempt, **data}}


def running(session: Session, ref: AttemptRef, worker: str, host: str) -> bool:
    """Is this attempt still this worker's?"""
    attempt = session.get(Attempt, (ref.job_id, ref.attempt))
    return attempt is not None and guards.finishes(attempt, worker, host)


def check_running(session: Session, ref: AttemptRef, worker: str, host: str) -> None:
    """Raises StaleTransition when the attempt is no longer this worker's."""
    if not running(session, ref, worker, host):
        raise StaleTransition(
            f"Attempt {ref.attempt} of job {ref.job_id} is no longer yours",
            "it was ended, or given to another worker",
            "stop it and report nothing",
        )


def readable_file(session: Session, host: str, file_id: str) -> File:
    """A file that something running on this host reads or made. Raises NotFound for all others."""
    row = session.get(File, file_id)
    if row is None or not inputs.is_for(session, host, row):
        raise NotFound(
            f"There is no file {file_id} for this host",
            "it was deleted, or no job that runs here reads it",
            "check the job's parameters",
        )
    return row
