"""What becomes of a job when an attempt ends: pure, one table of cases."""

from __future__ import annotations

import random
from dataclasses import dataclass

from shared.errors import LoopOfCrashes, Problem
from shared.vocabulary import AttemptState, JobState

BACKOFF_FIRST = 1.0
BACKOFF_LIMIT = 300.0


@dataclass(frozen=True)
class Standing:
    """Where the job stands before the attempt ends."""

    failures: int
    crashes: int
    max_failures: int
    max_crashes: int
    cancel_requested: bool
    exclusive: bool = False


@dataclass(frozen=True)
class Settled:
    """Where it stands after; `delay` is how many seconds it waits before the next attempt."""

    state: JobState
    failures: int
    crashes: int
    delay: float = 0.0
    error: Problem | None = None


def backoff(count: int, jitter: random.Random | None = None) -> float:
    """Seconds before try `count` + 1: exponential with full jitter, at most five minutes."""
    doublings = min(16, max(0, count - 1))  # past the limit anyway, and no float holds a thousand of them
    ceiling = min(BACKOFF_LIMIT, BACKOFF_FIRST * 2**doublings)
    return (jitter or random).uniform(ceiling / 2, ceiling)


def settle(standing: Standing, ended: AttemptState, error: Problem | None) -> Settled:
    """The job's next state.

    Success wins over a late cancel; a cancel wins over everything else. Crashes and lost leases are counted apart from
    failures; abandoned attempts are not counted at all.
    """
    failures, crashes = standing.failures, standing.crashes
    if ended == AttemptState.SUCCEEDED:
        return Settled(JobState.SUCCEEDED, failures, crashes)
    if standing.cancel_requested or ended == AttemptState.CANCELLED:
        return Settled(JobState.CANCELLED, failures, crashes)
    if ended == AttemptState.ABANDONED:
        return Settled(JobState.QUEUED, failures, crashes)
    if ended == AttemptState.LOST or (error is not None and error.crash):
        return _after_crash(standing, crashes + 1, error)
    return _after_failure(standing, failures + 1, error)


def _after_crash(standing: Standing, crashes: int, error: Problem | None) -> Settled:
    if crashes >= standing.max_crashes:
        cause = error.sentence() if error else "its worker was lost"
        loop = LoopOfCrashes(
            f"The job took its worker or run down {crashes} times",
            cause,
            "look at `cidermill jobs logs`; where a model did it, take another runtime or a smaller context; then "
            "`cidermill jobs retry` goes on with what was kept",
        ).problem
        return Settled(JobState.FAILED, standing.failures, crashes, error=loop)
    return Settled(JobState.QUEUED, standing.failures, crashes, backoff(crashes) if crashes > 1 else 0.0, error)


def _after_failure(standing: Standing, failures: int, error: Problem | None) -> Settled:
    if failures >= standing.max_failures or (error is not None and not error.retryable):
        return Settled(JobState.FAILED, failures, standing.crashes, error=error)
    return Settled(JobState.QUEUED, failures, standing.crashes, backoff(failures), error)
