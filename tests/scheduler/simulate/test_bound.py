"""The bound that no policy can beat, where it can be worked out by hand."""

from __future__ import annotations

import pytest

from scheduler.simulate.bound import lower_bound
from tests.scheduler.simulate.traces import host, job, model, trace


def test_one_job_cannot_end_before_its_load_and_its_seconds() -> None:
    assert lower_bound(trace(job(at=7.0, seconds=10.0))) == pytest.approx(7.0 + 5.0 + 10.0)


def test_a_model_is_loaded_for_the_first_that_asks_for_it() -> None:
    assert lower_bound(trace(job(at=0.0, seconds=1.0), job(at=20.0, seconds=3.0))) == pytest.approx(23.0)


def test_jobs_of_one_model_share_its_slots_on_all_hosts() -> None:
    """Four slots on two hosts: ten jobs of ten seconds are a hundred slot-seconds, and one load costs a run's worth."""
    fleet = (host("alpha"), host("beta"))
    seen = trace(*[job() for _ in range(10)], hosts=fleet, models=(model(slots=2),))
    assert lower_bound(seen) == pytest.approx((100.0 / 2 + 5.0) / 2)


def test_models_that_do_not_fit_together_take_turns() -> None:
    """Each holds 10 of 16 GiB, so that only one of them is ever at work, and each is loaded once."""
    models = (model("one", 10), model("two", 10))
    seen = trace(job(model="one", seconds=30.0), job(model="two", seconds=30.0), models=models)
    assert lower_bound(seen) == pytest.approx(2 * (11.0 + 30.0))


def test_a_dead_host_offers_nothing() -> None:
    seen = trace(*[job() for _ in range(4)], hosts=(host(down=((10.0, 110.0),)),))
    assert lower_bound(seen) == pytest.approx(5.0 + 40.0 + 100.0)


def test_a_fast_host_lowers_it() -> None:
    seen = trace(job(seconds=30.0), hosts=(host("slow"), host("fast", speed=3.0)))
    assert lower_bound(seen) == pytest.approx(5.0 + 10.0)
