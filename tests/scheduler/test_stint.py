"""Models that do not fit together take turns on a host, and each serves for a while before it makes room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.decisions import Plan
from scheduler.plan import plan
from scheduler.stint import LEAST_PATIENCE, MOST_PATIENCE, patience
from scheduler.views import AttemptView, Rate
from tests.scheduler.fleet import NOW, host, job, model, run, shape, snapshot

MODELS = [model("qwen", 10, "studio"), model("llama", 10, "studio")]
#: A load takes 5 seconds and a job 10: the stint is four times as long as both.
RATES = {(name, "llama-cpp"): Rate(job=10.0, load=5.0) for name in ("qwen", "llama")}
STINT = 60.0


def decide(served: float, *, own_work: bool = True, rank: int = 2, batch: bool = False) -> Plan:
    """`qwen` has been at work for `served` seconds with one slot free; `llama` has been waited for for five minutes."""
    at_work = run("r", used=3, attempts=1, held=11 << 30, ready_at=NOW - served)
    jobs = [job("other", shape("llama", rank), at=NOW - 300)]
    jobs += [job(f"own-{n}", at=NOW - 1) for n in range(3)] if own_work else []
    seen = snapshot([host("studio", 16)], MODELS, runs=[at_work], jobs=jobs)
    attempt = AttemptView("at-r", 1, "r", 3, 4 if batch else 2, NOW - 1, preemptible=batch)
    return plan(replace(seen, rates=RATES, attempts=(attempt,)))


def test_a_run_takes_its_own_work_until_its_stint_is_over_however_long_others_have_waited() -> None:
    assert [given.job_id for given in decide(STINT - 5).assigns] == ["own-0"]


def test_after_its_stint_it_takes_no_more_and_makes_room() -> None:
    decided = decide(STINT + 5)
    assert not decided.assigns
    assert "takes no more work" in decided.blocked_jobs["other"].sentence


def test_who_has_no_more_work_of_its_own_has_no_stint_to_serve() -> None:
    assert "takes no more work" in decide(1.0, own_work=False).blocked_jobs["other"].sentence


def test_more_urgent_work_waits_for_no_stint_of_less_urgent() -> None:
    assert not decide(STINT - 5, rank=1).assigns


@pytest.mark.parametrize(("served", "asked"), [(STINT - 5, []), (STINT + 5, ["at-r"])])
def test_batch_work_that_has_just_loaded_its_model_is_not_asked_to_give_way(served: float, asked: list[str]) -> None:
    assert [wish.job_id for wish in decide(served, rank=0, batch=True, own_work=False).preempts] == asked


def test_patience_has_a_least_and_a_most() -> None:
    assert (patience(0.1), patience(10.0), patience(1000.0)) == (LEAST_PATIENCE, 40.0, MOST_PATIENCE)
