"""A second copy of a model where no memory is free: whose place it takes, and when."""

from __future__ import annotations

from dataclasses import replace

from scheduler.decisions import Plan
from scheduler.plan import plan
from scheduler.views import JobView, Rate
from tests.scheduler.fleet import NOW, busy, host, job, model, run, shape, snapshot

FLEET = [host("studio", 16), host("mini", 16)]
MODELS = [model("qwen", 4, "studio", "mini"), model("llama", 10, "studio", "mini")]
ASKS = shape("qwen")
OTHER = shape("llama")


def decide(waiting: int, *others: JobView) -> Plan:
    """Jobs of ten seconds wait for four slots; a load takes twenty."""
    runs = [busy("r"), run("idle", "llama", "mini", held=14 << 30, last_used_at=NOW - 200)]
    jobs = [job(f"j{number:02}", ASKS) for number in range(waiting)]
    seen = snapshot(FLEET, MODELS, runs=runs, jobs=[*jobs, *others])
    rates = {("qwen", "llama-cpp"): Rate(job=10.0, load=20.0), ("llama", "llama-cpp"): Rate(job=10.0, load=50.0)}
    return plan(replace(seen, rates=rates))


def test_a_long_queue_takes_the_place_of_a_run_that_nobody_waits_for() -> None:
    assert [stop.run_id for stop in decide(40).stops] == ["idle"]


def test_a_short_queue_does_not() -> None:
    assert not decide(8).stops


def test_a_run_that_somebody_waits_for_stays() -> None:
    decided = decide(40, job("other", OTHER))
    assert not decided.stops
    assert "other" in {assign.job_id for assign in decided.assigns}
