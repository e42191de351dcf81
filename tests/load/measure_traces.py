"""The shipped traces under our plan, beside a bound that nobody can beat and the policies it must be ahead of."""

from __future__ import annotations

import time
from collections.abc import Iterator

from scheduler.simulate.compare import Comparison, compare
from scheduler.simulate.score import Score
from scheduler.simulate.shipped import open_trace, shipped
from tests.load.figure import Figure


def figures() -> Iterator[Figure]:
    began = time.process_time()
    for name in shipped():
        found = compare(open_trace(name))
        yield from _trace(name, found)
    yield Figure("all traces under all policies", time.process_time() - began, "s", 60, "less", "of one core")


def _trace(name: str, found: Comparison) -> Iterator[Figure]:
    ours, *rivals = found.scores
    over = ours.makespan / found.lower_bound
    note = ", ".join(f"{rival.policy} {rival.makespan / found.lower_bound:.2f}" for rival in rivals)
    yield Figure(f"{name}: makespan over the lower bound", over, "×", 1.15, "less", note)
    for priority, waits in ours.waits.items():
        mean = min(rivals, key=lambda rival: rival.waits[priority].mean)
        p99 = min(rivals, key=lambda rival: rival.waits[priority].p99)
        of = f"{name}: {priority} wait"
        yield Figure(f"{of}, mean", waits.mean, "s", mean.waits[priority].mean, "less", f"next is {mean.policy}")
        yield Figure(f"{of}, p99", waits.p99, "s", p99.waits[priority].p99, "less", f"next is {p99.policy}")
    yield Figure(f"{name}: Jain index of the keys", ours.fairness, "", 0.98, note=_fairness(rivals))
    yield Figure(f"{name}: starts over a budget", ours.over_budget, "starts", 0, "less")
    yield Figure(f"{name}: jobs that never ended", ours.stranded + ours.failed, "jobs", 0, "less")


def _fairness(rivals: list[Score]) -> str:
    return ", ".join(f"{rival.policy} {rival.fairness:.3f}" for rival in rivals)
