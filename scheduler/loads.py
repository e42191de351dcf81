"""Whether loading a model is worth another try, from how it went before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from scheduler.views import LoadView
from shared.errors import Problem

#: Failed loads in a row after which a job is not kept waiting for another.
MAX_FAILED_LOADS = 3
#: Seconds to wait after the first failed load; doubles each time.
FIRST_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`problem` is the newest failure; without `until` there is no point in trying again."""

    problem: Problem
    until: float | None


def judge(loads: Iterable[LoadView], since: float, now: float) -> Verdict | None:
    """What the loads of one model by one runtime, newest first, say to a job queued at `since`; `None`: try it.

    Failures from before the job was queued do not count against it: somebody may have mended the cause.
    """
    recent = (load for load in loads if load.ended_at >= since)
    failures = [
        (load.ended_at, load.problem)
        for load in takewhile(lambda load: load.problem is not None, recent)
        if load.problem is not None
    ]
    if not failures:
        return None
    ended_at, newest = failures[0]
    if not newest.retryable or len(failures) >= MAX_FAILED_LOADS:
        return Verdict(newest, None)
    until = ended_at + FIRST_PAUSE * 2 ** (len(failures) - 1)
    return Verdict(newest, until) if now < until else None
