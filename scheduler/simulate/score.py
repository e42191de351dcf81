"""What a policy made of a trace, in figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, quantiles
from typing import Any

from scheduler.simulate.ledger import Ledger
from scheduler.simulate.parts import SimJob
from shared.vocabulary import Priority


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds that jobs of one class took beyond those of their own work: in the queue, for loads, for lost work."""

    jobs: int
    mean: float
    p50: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class Score:
    """Times in seconds, parts from 0 to 1."""

    policy: str
    makespan: float
    #: By class, the most urgent first.
    waits: dict[Priority, Waits]
    #: Of the memory offered by living hosts: the part that worked, and the part that was held.
    utilisation: float
    held: float
    loads: int
    evictions: int
    reloads: int
    bytes_reloaded: int
    preemptions: int
    #: Attempts that died with their host.
    losses: int
    #: Jain's index of the slot-seconds each key had over those it should have had; 1 is fair.
    fairness: float
    #: Starts after which a host held more than its budget, and decisions that made no sense.
    over_budget: int
    refused: int
    #: Jobs that did not end.
    stranded: int
    failed: int
    plans: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def score(policy: str, ended: Sequence[SimJob], stranded: int, ledger: Ledger) -> Score:
    """The figures of one replay."""
    return Score(
        policy=policy,
        makespan=max((job.ended_at or 0.0 for job in ended), default=0.0),
        waits=_waits(ended),
        utilisation=ledger.worked / ledger.offered if ledger.offered else 0.0,
        held=ledger.held / ledger.offered if ledger.offered else 0.0,
        loads=ledger.loads,
        evictions=ledger.evictions,
        reloads=ledger.reloads,
        bytes_reloaded=ledger.bytes_reloaded,
        preemptions=ledger.preemptions,
        losses=ledger.losses,
        fairness=jain(ledger.got[key] / fair for key, fair in ledger.fair.items() if fair),
        over_budget=ledger.over_budget,
        refused=ledger.refused,
        stranded=stranded,
        failed=sum(job.failed for job in ended),
        plans=ledger.plans,
    )


def jain(parts: Iterable[float]) -> float:
    """`(Σx)² / (n · Σx²)`: 1 when all are equal, 1/n when one has it all. Source: Jain, Chiu and Hawe, 1984."""
    values = list(parts)
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0


def _waits(ended: Iterable[SimJob]) -> dict[Priority, Waits]:
    by_class: dict[Priority, list[float]] = defaultdict(list)
    for job in ended:
        by_class[job.trace.priority].append(job.waited)
    return {priority: _summary(by_class[priority]) for priority in Priority if priority in by_class}


def _summary(waits: list[float]) -> Waits:
    cuts = quantiles(waits, n=100, method="inclusive") if len(waits) > 1 else waits * 99
    return Waits(len(waits), fmean(waits), cuts[49], cuts[98], max(waits))
