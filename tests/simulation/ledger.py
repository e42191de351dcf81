"""What must never be seen: compared after every step with all that was seen before.

`broken` asks the rows of one moment; the ledger knows the history and what really runs on the machines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from shared.invariants import QUERY, Violation, violations
from shared.leader import Fence
from shared.protocol import AttemptRef, FinishedAttempt, Item, Outcome, RunRef, Verdict
from shared.tables import Attempt
from tests.simulation.snapshot import Snapshot, take
from tests.simulation.stage import Stage

if TYPE_CHECKING:
    from tests.simulation.process import Process

_FINAL = {"succeeded", "failed", "cancelled"}
_NEXT = {
    "queued": {"assigned", "cancelled", "failed"},
    "assigned": {"running", "queued", "cancelled"},
    "running": {"queued", "succeeded", "failed", "cancelled"},
    "succeeded": set[str](),
    "failed": {"queued"},
    "cancelled": {"queued"},
}
_NEXT_RUN = {
    "pending": {"starting", "stopped"},
    "starting": {"ready", "stopping", "stopped", "failed"},
    "ready": {"stopping", "stopped", "failed"},
    "stopping": {"stopped", "failed"},
    "stopped": set[str](),
    "failed": set[str](),
}

Key = tuple[str, int]


class Broken(Exception):
    """Something was seen that must never be seen."""

    def __init__(self, violations: Collection[Violation]) -> None:
        super().__init__("; ".join(str(violation) for violation in violations))
        self.violations = list(violations)


def deny(code: str, sentence: str, *ids: object) -> Broken:
    return Broken([Violation(code, sentence, tuple(str(part) for part in ids))])


def ref_key(ref: AttemptRef) -> Key:
    return ref.job_id, ref.attempt


class Ledger:
    """All that was seen so far; `now` is the state of the rows, `before` what it was one step earlier."""

    def __init__(self) -> None:
        self.now = Snapshot()
        self.before = Snapshot()
        self.items: dict[str, dict[int, int]] = {}
        self._version = -1
        self._epochs: dict[int, str] = {}
        self._claimed: dict[Key, str] = {}
        self._told_to_start: dict[Key, str] = {}
        self._accepted: dict[Key, tuple[str, Outcome]] = {}

    # --- after every step ---

    def look(self, stage: Stage, step: str, processes: Mapping[Key, Process]) -> None:
        """Compare the rows with what they were and with what really runs."""
        self.before = self.now
        version = stage.version()
        if version == self._version:
            return
        self._version, self.now = version, take(stage)
        if found := violations(stage.read(QUERY)):
            raise Broken(found)
        self._compare_jobs(step)
        self._compare_attempts()
        self._compare_queues()
        self._compare_runs()
        self.compare_memory(processes)

    def _compare_jobs(self, step: str) -> None:
        for job in self.now.jobs.values():
            old = self.before.jobs.get(job.id)
            if old is None or old.state == job.state:
                continue
            if old.state in _FINAL and step != "retry":
                raise deny("I10", f"a job left {old.state} for {job.state} without a retry", job.id)
            if job.state not in _NEXT[old.state]:
                raise deny("I10", f"a job went from {old.state} to {job.state}", job.id)
        for host in self.before.hosts.values():
            owner = self.now.hosts[host.name].reserved_by
            if host.reserved_by is not None and owner not in (None, host.reserved_by):
                raise deny("I13", f"a host was taken from {host.reserved_by} for {owner}", host.name)
        if lost := self.before.jobs.keys() - self.now.jobs.keys():
            raise deny("I9", "a job vanished", *lost)

    def _compare_attempts(self) -> None:
        for key, old in self.before.attempts.items():
            new = self.now.attempts.get(key)
            if new is None:
                raise deny("I2", "an attempt vanished", *key)
            if new is old or new == old:
                continue
            if not old.live:
                raise deny("I10", f"an attempt changed that had {old.state}", *key)
            if old.preempt_requested_at not in (None, new.preempt_requested_at):
                raise deny("I10", "an attempt was asked to give way a second time", *key)
            if old.worker is not None and new.worker != old.worker:
                raise deny("I5", f"an attempt went from {old.worker} to {new.worker}", *key)

    def _compare_queues(self) -> None:
        """What began now belongs to no part that was paused, and filled none beyond its limit."""
        for job_id, _ in self.now.attempts.keys() - self.before.attempts.keys():
            for row in (self.now.queues[part] for part in self.now.jobs[job_id].parts if part in self.now.queues):
                if row.paused_at is not None:
                    raise deny("I15", "a job of a paused part began", row.name, job_id)
                if row.max_running is not None and self.now.at_work(row.name) > row.max_running:
                    raise deny("I15", "more jobs of a part began than its limit allows", row.name, job_id)

    def _compare_runs(self) -> None:
        for run_id, old in self.before.runs.items():
            new = self.now.runs[run_id]
            if new.state != old.state and new.state not in _NEXT_RUN[old.state]:
                raise deny("I10", f"a run went from {old.state} to {new.state}", run_id)
            if new.generation < old.generation:
                raise deny("I2", "a run's generation went back", run_id)
            if new.generation > old.generation and (old.host is not None or old.state != "pending"):
                raise deny("I10", "a run was placed that had been placed", run_id)

    def compare_memory(self, processes: Mapping[Key, Process]) -> None:
        """Every byte that is really in use is held by the row of its own load."""
        used: dict[str, int] = {}
        for (run_id, generation), process in processes.items():
            row = self.now.runs[run_id]
            if row.host != process.host or row.generation != generation or row.memory_held < process.memory:
                raise deny("I6", f"a process of load {generation} uses memory that its run does not hold", run_id)
            used[process.host] = used.get(process.host, 0) + process.memory
        for host, memory in used.items():
            if memory > self.now.hosts[host].budget:
                raise deny("I6", "the processes of a host really use more than its budget", host)

    # --- schedulers ---

    def led(self, fence: Fence | None) -> None:
        """An epoch belongs to one holder, for ever."""
        if fence is not None and self._epochs.setdefault(fence.epoch, fence.holder) != fence.holder:
            raise deny("I8", "two schedulers led in the same epoch", fence.epoch)

    def scheduled(self, fence: Fence, at: float) -> None:
        """A scheduler's write was committed: it led."""
        leader = self.now.leader
        if leader is None or (leader.holder, leader.epoch) != (fence.holder, fence.epoch) or leader.until <= at:
            raise deny("I8", "a scheduler wrote that did not lead", fence.holder, fence.epoch)

    def evicted(self) -> None:
        """Nobody was using what a scheduler stopped."""
        for run in self.now.runs.values():
            old = self.before.runs.get(run.id)
            if old is not None and run.state == "stopping" != old.state and (busy := self.before.users(run.id)):
                raise deny("I14", "a busy run was evicted", run.id, *(attempt.job_id for attempt in busy))

    def given_up(self, attempts: Iterable[AttemptRef], runs: Iterable[str], at: float) -> None:
        """What was given up had had its time."""
        for ref in attempts:
            attempt = self.before.attempts[ref.job_id, ref.attempt]
            self._had_time(attempt.lease_until if attempt.state == "running" else attempt.claim_by, at, *ref_key(ref))
        for run_id in runs:
            run = self.before.runs[run_id]
            self._had_time(run.claim_by if run.state == "pending" else run.lease_until, at, run_id)

    @staticmethod
    def _had_time(timer: float | None, at: float, *who: object) -> None:
        if timer is None or timer > at:
            raise deny("I7", "something was given up before its time", *who)

    # --- workers ---

    def claimed(self, host: str, worker: str, won: Iterable[Attempt]) -> None:
        """An attempt is won once, on its host."""
        for attempt in won:
            key = (attempt.job_id, attempt.number)
            row = self.before.attempts[key]
            if key in self._claimed or row.state != "assigned" or row.host != host:
                raise deny("I9", "an attempt was claimed twice, or where it does not belong", *key)
            self._claimed[key] = worker

    def kept(self, host: str, refs: Iterable[AttemptRef]) -> None:
        """A lease is only extended for what runs there."""
        for ref in refs:
            row = self.before.attempts.get((ref.job_id, ref.attempt))
            if row is None or row.state != "running" or row.host != host:
                raise deny("I5", "a worker was told to go on with what is not its own", ref.job_id, ref.attempt)

    def checkpointed(self, ref: AttemptRef, worker: str, items: Iterable[Item]) -> None:
        """A piece is accepted from the current attempt only, and the first one stays."""
        if not self._runs(ref, worker):
            raise deny("I5", "a piece of an old attempt was accepted", ref.job_id, ref.attempt)
        known = self.items.setdefault(ref.job_id, {})
        for item in items:
            known.setdefault(item.index, ref.attempt)

    def finished(self, worker: str, reports: Iterable[FinishedAttempt], verdicts: Iterable[Verdict]) -> None:
        """A result counts from the current attempt only, and once."""
        for report, verdict in zip(reports, verdicts, strict=True):
            key, said = (report.job_id, report.attempt), (worker, report.outcome)
            runs = self._runs(report, worker)
            if verdict == Verdict.ACCEPTED and not runs:
                raise deny("I5", "a result of an old attempt was accepted", *key)
            if verdict == Verdict.DUPLICATE and self._accepted.get(key) != said:
                raise deny("I5", "a result was called known that never was", *key)
            if verdict == Verdict.STALE and (runs or self._accepted.get(key) == said):
                raise deny("I5", "a good result was refused", *key)
            if verdict == Verdict.ACCEPTED:
                self._accepted[key] = said

    def _runs(self, ref: AttemptRef, worker: str) -> bool:
        row = self.before.attempts.get((ref.job_id, ref.attempt))
        return row is not None and row.state == "running" and row.worker == worker

    # --- runs ---

    def started(self, ref: RunRef, worker: str) -> None:
        """One worker is told to start a load, once."""
        row = self.before.runs[ref.run_id]
        if (
            (ref.run_id, ref.generation) in self._told_to_start
            or row.state != "pending"
            or row.generation != ref.generation
        ):
            raise deny("I9", "a load was started twice, or an old one", ref.run_id, ref.generation)
        self._told_to_start[ref.run_id, ref.generation] = worker

    def reported(self, ref: RunRef, worker: str) -> None:
        """Only the worker that loaded it is heard about a load."""
        row = self.before.runs[ref.run_id]
        if row.generation != ref.generation or self._told_to_start.get((ref.run_id, ref.generation)) != worker:
            raise deny("I5", "a report about a run was accepted from somebody else", ref.run_id, ref.generation)

    # --- the end ---

    def settle(self, results: Mapping[str, Mapping[int, int]]) -> None:
        """Faults are off and time has passed: all jobs are final, all memory is free, every piece is kept."""
        if open_ := [job.id for job in self.now.jobs.values() if job.state not in _FINAL]:
            raise deny("I9", "jobs never ended", *open_)
        if held := [run.id for run in self.now.runs.values() if run.final and run.memory_held]:
            raise deny("I6", "memory of runs that are over was never freed", *held)
        for job_id, known in self.items.items():
            if results.get(job_id, {}) != known:
                raise deny("I9", "finished pieces were lost or done again", job_id)
        for (job_id, _), (_, outcome) in self._accepted.items():
            if outcome == Outcome.SUCCEEDED and self.now.jobs[job_id].state != "succeeded":
                raise deny("I9", "a success was lost", job_id)
