"""One seed from its beginning to its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from unittest.mock import patch

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from shared.invariants import Violation
from shared.tables import Result
from tests.simulation.catalog import Catalog
from tests.simulation.disaster import Disasters
from tests.simulation.faults import CALM, WEATHERS
from tests.simulation.ledger import Broken
from tests.simulation.machine import Machine
from tests.simulation.mind import RealMind, WildMind
from tests.simulation.people import People
from tests.simulation.scheduler import Scheduler
from tests.simulation.stage import BEGINNING, Stage
from tests.simulation.world import World

_JOBS = (20, 32)
#: Seconds of trouble, and how long everything has to come to rest afterwards.
_TROUBLE, _REST = 30.0, 600.0
_BUDGETS = (10, 8)


@dataclass
class Report:
    """What a seed came to."""

    seed: int
    jobs: int = 0
    steps: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)


def play(seed: int, stage: Stage, *, trace: bool = False) -> Report:
    """Play a seed, in the weather of its number; whatever must never be seen ends it."""
    stage.clear()
    world = World(seed, stage, WEATHERS[seed % len(WEATHERS)], trace=trace)
    report = Report(seed, counts=world.counts)
    try:
        # Chance has one source here; names that the product draws by chance are numbers.
        with patch("scheduler.apply.new_id", world.name):
            report.jobs = _play(world, real=seed % 4 == 3)
    except Broken as found:
        report.violations = found.violations
    except IntegrityError as refusal:
        report.violations = [Violation("I1", "the database itself had to refuse a change", (str(refusal.orig),))]
    report.steps, report.seconds = world.steps, world.loop.now - BEGINNING
    return report


def _play(world: World, *, real: bool) -> int:
    catalog = Catalog(world.random, world.random.randint(*_JOBS))
    machines = [Machine(world, catalog, f"host{n}", budget) for n, budget in enumerate(_BUDGETS)]
    catalog.register(world.stage)
    for machine in machines:
        machine.join()
    # One seed in four has the scheduler that people run, the others one that tries what no good scheduler would.
    schedulers = [Scheduler(world, lambda: RealMind(world) if real else WildMind(world, catalog)) for _ in range(2)]
    People(world, catalog, _TROUBLE)
    Disasters(world, machines, schedulers)
    world.loop.run(until=world.loop.now + _TROUBLE)
    world.faults = CALM
    world.loop.run(until=world.loop.now + _REST, enough=lambda: _at_rest(world, len(catalog.wishes)))
    world.ledger.settle(_results(world))
    return len(catalog.wishes)


def _at_rest(world: World, jobs: int) -> bool:
    rows = world.ledger.now
    over = sum(job.state in {"succeeded", "failed", "cancelled"} for job in rows.jobs.values())
    return over == jobs and not any(run.final and run.memory_held for run in rows.runs.values())


def _results(world: World) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    with world.stage.database.read() as session:
        for job_id, index, data in session.execute(select(Result.job_id, Result.index, Result.data)):
            found.setdefault(job_id, {})[index] = data
    return found
