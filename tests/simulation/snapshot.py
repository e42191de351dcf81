"""The rows as they are after a step: what the ledger compares, and what planners plan by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.simulation.stage import Stage


class JobRow(NamedTuple):
    id: str
    kind: str
    state: str
    attempt: int
    not_before: float | None

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts of the queue that it belongs to, as far as people here speak of them."""
        return "all", f"kind:{self.kind}"


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
    preempt_requested_at: float | None

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
    reserved_by: str | None


class QueueRow(NamedTuple):
    name: str
    max_running: int | None
    paused_at: float | None


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
    queues: dict[str, QueueRow] = field(default_factory=dict)
    leader: LeaderRow | None = None

    def users(self, run_id: str) -> list[AttemptRow]:
        """Live attempts on a run."""
        return [attempt for attempt in self.attempts.values() if attempt.live and attempt.run_id == run_id]

    def at_work(self, part: str) -> int:
        """Live attempts of a part of the queue."""
        return sum(attempt.live and part in self.jobs[attempt.job_id].parts for attempt in self.attempts.values())


_JOBS, _ATTEMPTS, _RUNS, _HOSTS, _QUEUES, _LEADER = (
    f"SELECT {', '.join(row._fields)} FROM {table} ORDER BY 1, 2"
    for row, table in (
        (JobRow, "jobs"),
        (AttemptRow, "attempts"),
        (RunRow, "runs"),
        (HostRow, "hosts"),
        (QueueRow, "queues"),
        (LeaderRow, "leader"),
    )
)


def take(stage: Stage) -> Snapshot:
    """Read everything; rows come in the order of their ids, so that chance falls the same way on every machine."""
    return Snapshot(
        jobs={row[0]: JobRow(*row) for row in stage.read(_JOBS)},
        attempts={(row[0], row[1]): AttemptRow(*row) for row in stage.read(_ATTEMPTS)},
        runs={row[0]: RunRow(*row) for row in stage.read(_RUNS)},
        hosts={row[0]: HostRow(*row) for row in stage.read(_HOSTS)},
        queues={row[0]: QueueRow(*row) for row in stage.read(_QUEUES)},
        leader=next((LeaderRow(*row) for row in stage.read(_LEADER)), None),
    )
