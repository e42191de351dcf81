"""`python -m tests.simulation --seeds 2000`: play many seeds; exit 1 when anything was seen that must never be seen."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.seed import Report, play
from tests.simulation.stage import FAST, Stage

_CHUNK = 20


def play_chunk(first: int, last: int, url: str = FAST) -> list[Report]:
    """Seeds from `first` up to, not including, `last`, on one stage."""
    stage = Stage(url)
    try:
        return [play(seed, stage) for seed in range(first, last)]
    finally:
        stage.close()


def play_all(first: int, count: int, processes: int) -> Iterator[Report]:
    """As many at once as there are processes; reports come in the order of their seeds."""
    starts = range(first, first + count, _CHUNK)
    ends = [min(start + _CHUNK, first + count) for start in starts]
    with ProcessPoolExecutor(processes) as pool:
        for reports in pool.map(partial(play_chunk), starts, ends):
            yield from reports


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="how many to play")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="play only this one")
    parser.add_argument("--trace", action="store_true", help="with --seed: print every step")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many to play at once")
    options = parser.parse_args()
    began = time.monotonic()
    reports = (
        iter([play(options.seed, Stage(), trace=options.trace)])
        if options.seed is not None
        else play_all(options.first, options.seeds, options.processes)
    )
    return _print(reports, began)


def _print(reports: Iterator[Report], began: float) -> int:
    total, steps, jobs, broken = 0, 0, 0, 0
    counts: Counter[str] = Counter()
    for report in reports:
        total, steps, jobs = total + 1, steps + report.steps, jobs + report.jobs
        counts += report.counts
        for violation in report.violations:
            broken += 1
            _say(f"seed {report.seed} after {report.steps} steps: {violation}")
    for what, count in sorted(counts.items()):
        _say(f"{count:>9,}  {what}")
    seconds = time.monotonic() - began
    _say(f"{total:,} seeds, {jobs:,} jobs, {steps:,} steps, {sum(counts.values()):,} faults: {broken} violations")
    _say(f"{seconds:.1f} s, {seconds / max(1, total):.2f} s a seed")
    return 1 if broken else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
