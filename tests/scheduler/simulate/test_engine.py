"""What happens in virtual time, told by small traces."""

from __future__ import annotations

import pytest

from scheduler.simulate.engine import simulate
from scheduler.simulate.policies import policies
from scheduler.simulate.score import Score
from scheduler.simulate.trace import Trace
from shared.vocabulary import Priority
from tests.scheduler.simulate.traces import host, job, model, trace


def play(seen: Trace, policy: str = "cidermill") -> Score:
    return simulate(seen, policy, policies()[policy])


def test_a_job_waits_for_its_load_and_then_takes_its_seconds() -> None:
    seen = play(trace(job(at=5.0, seconds=10.0)))
    assert seen.makespan == pytest.approx(5.0 + 1.0 + 4.0 + 10.0)
    assert seen.waits[Priority.NORMAL].mean == pytest.approx(5.0)
    assert (seen.loads, seen.reloads, seen.stranded) == (1, 0, 0)


def test_jobs_side_by_side_share_a_run_up_to_its_slots() -> None:
    seen = play(trace(*[job() for _ in range(3)], models=(model(slots=2),)))
    assert seen.loads == 1
    assert seen.makespan == pytest.approx(5.0 + 10.0 + 10.0)


def test_a_fast_host_takes_less_time() -> None:
    seen = play(trace(job(seconds=10.0), hosts=(host(speed=2.0),)))
    assert seen.makespan == pytest.approx(5.0 + 5.0)


def test_a_model_that_made_room_is_loaded_again_and_counted() -> None:
    models = (model("one", 10), model("two", 10))
    seen = play(trace(job(model="one"), job(30.0, model="two"), job(60.0, model="one"), models=models))
    assert (seen.loads, seen.reloads, seen.evictions) == (3, 1, 2)
    assert seen.bytes_reloaded == models[0].size
    assert seen.over_budget == 0


def test_work_on_a_dead_host_is_done_again_once_its_silence_is_noticed() -> None:
    fleet = (host("studio", down=((8.0, 1000.0),)), host("tiny", 4))
    seen = play(trace(job(), hosts=(fleet[0],)))
    assert seen.losses == 1
    assert seen.makespan == pytest.approx(1000.0 + 5.0 + 10.0)
    elsewhere = play(trace(job(model="big"), job(seconds=20.0), hosts=fleet, models=(model(), model("big", 4))))
    assert elsewhere.stranded == 0


@pytest.mark.parametrize(("checkpoint", "left"), [(None, 10.0), (2.0, 6.0)])
def test_what_the_last_checkpoint_had_is_not_done_again(checkpoint: float | None, left: float) -> None:
    """The host dies five seconds into the job."""
    seen = play(trace(job(checkpoint=checkpoint), hosts=(host(down=((10.0, 100.0),)),)))
    assert seen.makespan == pytest.approx(100.0 + 5.0 + left)


def test_a_job_whose_only_host_stays_dead_is_left_over() -> None:
    seen = play(trace(job(), hosts=(host(down=((1.0, 1e6),)),)))
    assert seen.stranded == 1


@pytest.mark.parametrize("policy", policies())
def test_the_same_trace_gives_the_same_figures(policy: str) -> None:
    seen = trace(*[job(float(n), model=name, key=name) for n in range(20) for name in ("one", "two")],
                 models=(model("one", 6), model("two", 12)))  # fmt: skip
    assert play(seen, policy) == play(seen, policy)
