"""Thousands of seeded lives of the queue under crashes; every invariant is asked for after every step."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tests.load.figure import Figure
from tests.simulation.__main__ import play_all

_SEEDS = 2000


def figures() -> Iterator[Figure]:
    jobs = steps = faults = broken = 0
    for report in play_all(0, _SEEDS, os.cpu_count() or 1):
        jobs, steps = jobs + report.jobs, steps + report.steps
        faults += sum(report.counts.values())
        broken += len(report.violations)
    note = f"{_SEEDS:,} seeds, {jobs:,} jobs, {steps:,} steps, {faults:,} faults"
    yield Figure("broken invariants in the crash simulation", broken, "violations", 0, "less", note)
