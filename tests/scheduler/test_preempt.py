"""How long a person waits for a slot before batch work loses any of its own to make room."""

from __future__ import annotations

from dataclasses import replace

from scheduler.decisions import Plan
from scheduler.plan import plan
from scheduler.views import AttemptView, Rate
from tests.scheduler.fleet import NOW, busy, host, job, shape, snapshot


def decide(waited: float, seconds: float | None) -> Plan:
    """A person has waited so long for one of four slots, where jobs take `seconds`."""
    runs, asks = [busy("r")], [job("person", shape(rank=0), at=NOW - waited)]
    seen = snapshot([host("studio", 16)], runs=runs, jobs=asks)
    attempts = tuple(AttemptView(f"batch-{n}", 1, "r", 1, 4, NOW - 5, preemptible=True) for n in range(4))
    return plan(replace(seen, attempts=attempts, rates={("qwen", "llama-cpp"): Rate(job=seconds)}))


def test_a_person_waits_a_moment_for_a_slot_that_may_come_free_by_itself() -> None:
    decided = decide(waited=1.0, seconds=10.0)
    assert not decided.preempts
    assert "waits for a slot" in decided.blocked_jobs["person"].sentence


def test_after_that_moment_batch_work_gives_way() -> None:
    assert len(decide(waited=2.5, seconds=10.0).preempts) == 1


def test_nobody_waits_in_vain_where_jobs_are_long_or_of_unknown_length() -> None:
    assert len(decide(waited=0.0, seconds=300.0).preempts) == 1
    assert len(decide(waited=0.0, seconds=None).preempts) == 1
