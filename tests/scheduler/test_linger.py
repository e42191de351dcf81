"""An idle run keeps its memory for a moment, and models that take turns are not loaded for a job each."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from scheduler.decisions import Plan
from scheduler.plan import plan
from scheduler.simulate.engine import simulate
from scheduler.simulate.policies import policies
from scheduler.simulate.trace import Trace, TraceHost, TraceJob, TraceModel
from scheduler.views import Rate
from shared.units import GIB
from tests.load.foresight import fewest_loads
from tests.scheduler.fleet import NOW, host, job, model, run, shape, snapshot


def decide(*, idle: float, waited: float = 1.0, rank: int = 2, load: float = 3.0) -> Plan:
    """`big` is wanted where `qwen`, which takes so long to load, has been idle."""
    models = [model("qwen", 4, "studio"), model("big", 14, "studio")]
    runs = [run("r", held=12 * GIB, last_used_at=NOW - idle)]
    seen = snapshot([host("studio", 16)], models, runs=runs, jobs=[job("a", shape("big", rank), at=NOW - waited)])
    return plan(replace(seen, rates={("qwen", "llama-cpp"): Rate(load=load)}))


def stopped(decided: Plan) -> list[str]:
    return [stop.run_id for stop in decided.stops]


def test_a_run_that_was_just_used_stays_a_moment_longer() -> None:
    decided = decide(idle=5.0)
    assert not stopped(decided)
    assert decided.blocked_jobs["a"].sentence.endswith("qwen stays a moment longer, for it was just used")
    assert stopped(decide(idle=7.0)) == ["r"]


def test_who_has_waited_for_as_long_takes_its_place() -> None:
    assert stopped(decide(idle=0.5, waited=7.0)) == ["r"]


@pytest.mark.parametrize("rank", [0, 1])
def test_people_and_more_urgent_work_do_not_wait_for_that(rank: int) -> None:
    assert stopped(decide(idle=0.5, rank=rank)) == ["r"]


def test_the_moment_is_never_long() -> None:
    assert stopped(decide(idle=11.0, load=60.0)) == ["r"]
    assert not stopped(decide(idle=2.0, load=0.1))


@pytest.mark.parametrize("load", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("work", [0.3, 0.8])
def test_models_that_take_turns_are_loaded_hardly_more_often_than_need_be(load: float, work: float) -> None:
    """Six models of which four fit, each request for any of them."""
    chance = random.Random(20)
    names = [f"model-{number}" for number in range(6)]
    asked = [chance.choice(names) for _ in range(150)]
    moments = [0.4 * number for number in range(len(asked))]
    jobs = [
        TraceJob(at=at, model=name, seconds=work * chance.uniform(0.6, 1.6))
        for at, name in zip(moments, asked, strict=True)
    ]
    trace = Trace(
        name="turns",
        hosts=(TraceHost(name="studio", budget=4 * GIB, disk_rate=1 << 40),),
        models=tuple(TraceModel(name=name, size=GIB, memory=GIB, slots=2) for name in names),
        jobs=tuple(jobs),
        start_seconds=load,
    )
    score = simulate(trace, "cidermill", policies()["cidermill"])
    assert score.loads <= 1.2 * fewest_loads(asked, 4)
    assert score.waits[jobs[0].priority].mean < load + 3.0
