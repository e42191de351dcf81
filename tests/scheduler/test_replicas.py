"""Second copies of a model: who gets one first, and whose place it takes where no memory is free."""

from __future__ import annotations

from dataclasses import replace

from scheduler.decisions import NewRun, Plan
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


def two_backlogs(first: int, second: int, *, rank: int = 2) -> list[str]:
    """Models copied where one copy fits: so many jobs wait for `qwen`, older ones, and so many for `llama`."""
    models = [model("qwen", 8, "studio", "mini"), model("llama", 8, "studio", "mini")]
    runs = [busy("q", held=9 << 30), busy("l", "llama", held=9 << 30)]
    jobs = [job(f"q{number:02}", ASKS, at=NOW - 60) for number in range(first)]
    later = shape("llama", rank)
    jobs += [job(f"l{number:02}", later, at=NOW - 30) for number in range(second)]
    seen = snapshot([host("studio", 20), host("mini", 12)], models, runs=runs, jobs=jobs)
    rates = {(name, "llama-cpp"): Rate(job=10.0, load=5.0) for name in ("qwen", "llama")}
    starts = plan(replace(seen, rates=rates)).starts
    return [start.run.model for start in starts if isinstance(start.run, NewRun)]


def test_the_copy_goes_to_the_longest_backlog_whoever_asked_first() -> None:
    assert two_backlogs(8, 40) == ["llama"]
    assert two_backlogs(40, 8) == ["qwen"]


def test_a_more_urgent_class_goes_before_a_longer_backlog() -> None:
    assert two_backlogs(8, 40, rank=4) == ["qwen"]


def test_a_long_backlog_gets_as_many_copies_at_once_as_are_worth_their_load() -> None:
    fleet = [host("studio", 16), *(host(f"mini-{number}", 16) for number in range(3))]
    models = [model("qwen", 4, *(each.name for each in fleet))]
    jobs = [job(f"j{number:02}", ASKS) for number in range(40)]
    rates = {("qwen", "llama-cpp"): Rate(job=10.0, load=40.0)}
    assert len(plan(replace(snapshot(fleet, models, runs=[busy("r")], jobs=jobs), rates=rates)).starts) == 2
