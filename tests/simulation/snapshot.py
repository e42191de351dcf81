"""The rows as they are after a step: what the ledger compares, and what planners plan by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy.orm import Session


class JobRow(NamedTuple):
    id: str
    state: str
    attempt: int
    not_before: float | None


class AttemptRow(NamedTuple):
    job_id: str
    number: int
    state: str
    host: str
    worker: str | None
    run_id: str | None
    slots: int
    lease_until: float | None
    claim_by: float | None

    @property
    def live(self) -> bool:
        return self.state in {"assigned", "running"}


class RunRow(NamedTuple):
    id: str
    state: str
    generation: int
    model_id: str
    host: str | None
    worker: str | None
    slots: int
    memory_held: int
    lease_until: float | None
    claim_by: float | None

    @property
    def final(self) -> bool:
        return self.state in {"stopped", "failed"}


class HostRow(NamedTuple):
    name: str
    budget: int
    seen_until: float | None


class LeaderRow(NamedTuple):
    holder: str
    epoch: int
    until: float


@dataclass(frozen=True)
class Snapshot:
    jobs: dict[str, JobRow] = field(default_factory=dict)
    attempts: dict[tuple[str, int], AttemptRow] = field(default_factory=dict)
    runs: dict[str, RunRow] = field(default_factory=dict)
    hosts: dict[str, HostRow] = field(default_factory=dict)
    leader: LeaderRow | None = None

    def users(self, run_id: str) -> list[AttemptRow]:
        """Live attempts on a run."""
        return [attempt for attempt in self.attempts.values() if attempt.live and attempt.run_id == run_id]


_JOBS, _ATTEMPTS, _RUNS, _HOSTS, _LEADER = (
    f"SELECT {', '.join(row._fields)} FROM {table} ORDER BY 1"  # noqa: S608 - constants
    for row, table in (
        (JobRow, "jobs"),
        (AttemptRow, "attempts"),
        (RunRow, "runs"),
        (HostRow, "hosts"),
        (LeaderRow, "leader"),
    )
)


def take(session: Session) -> Snapshot:
    """Read everything; rows come in the order of their ids, so that chance falls the same way on every machine."""
    read = session.connection().exec_driver_sql
    leader = read(_LEADER).one_or_none()
    attempts = [AttemptRow(*row) for row in read(_ATTEMPTS)]
    return Snapshot(
        jobs={row[0]: JobRow(*row) for row in read(_JOBS)},
        attempts={(row.job_id, row.number): row for row in attempts},
        runs={row[0]: RunRow(*row) for row in read(_RUNS)},
        hosts={row[0]: HostRow(*row) for row in read(_HOSTS)},
        leader=LeaderRow(*leader) if leader is not None else None,
    )
