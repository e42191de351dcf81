"""Planning again after one change: as a whole plan would, where it looks."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from scheduler.decisions import Assign
from scheduler.plan import plan
from scheduler.planner import Changes, Planner
from scheduler.reasons import Code
from scheduler.views import RunView, Snapshot
from shared.vocabulary import RunState
from tests.scheduler.carry import carried_out
from tests.scheduler.fleet import NOW, busy, host, job, model, run, shape, snapshot
from tests.scheduler.test_plan_properties import snapshots


def test_a_slot_that_comes_free_goes_to_who_is_first() -> None:
    asks = shape()
    seen = snapshot([host("studio")], runs=[busy("r")], jobs=[job("young", asks, at=NOW - 1), job("old", asks)])
    planner = Planner(replace(seen, jobs=(*seen.jobs, job("oldest", asks, at=NOW - 99))))
    assert not planner.plan().assigns
    decided = planner.replan(Changes(NOW, runs=(busy("r", used=3),)))
    assert decided.assigns == (Assign("oldest", "studio", "llama-cpp", "r", 1),)


def test_a_job_that_comes_is_assigned_or_gets_a_run() -> None:
    seen = snapshot([host("studio", 16)], [model("qwen", 4, "studio"), model("phi", 2, "studio")], runs=[run("r")])
    planner = Planner(seen)
    planner.plan()
    assert planner.replan(Changes(NOW, jobs=(job("a"),))).assigns[0].run_id == "r"
    assert [start.host for start in planner.replan(Changes(NOW, jobs=(job("b", shape("phi")),))).starts] == ["studio"]


def test_memory_that_is_kept_for_somebody_is_not_given_to_who_comes_later() -> None:
    models = [model("big", 14, "studio"), model("small", 2, "studio")]
    runs = [run("old", "a", held=10 << 30, state=RunState.STOPPING)]
    planner = Planner(snapshot([host("studio", 16)], models, runs=runs, jobs=[job("first", shape("big"), at=NOW - 9)]))
    assert planner.plan().blocked_jobs["first"].code == Code.FREEING
    decided = planner.replan(Changes(NOW, jobs=(job("late", shape("small")),)))
    assert not decided.starts
    assert "late" in decided.blocked_jobs


def test_a_job_that_is_gone_is_not_assigned() -> None:
    asks = shape()
    planner = Planner(snapshot([host("studio")], runs=[busy("r")], jobs=[job("a", asks, at=NOW - 9), job("b", asks)]))
    planner.plan()
    decided = planner.replan(Changes(NOW, gone_jobs=("a",), runs=(busy("r", used=3),)))
    assert [each.job_id for each in decided.assigns] == ["b"]


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_a_slot_that_comes_free_is_given_as_a_whole_plan_would(seen: Snapshot) -> None:
    settled = carried_out(seen, plan(seen))
    at_work = [each for each in settled.runs if each.state == RunState.READY and each.attempts > 1 and each.used > 1]
    for each in at_work:
        freed = replace(each, used=each.used - 1, attempts=each.attempts - 1)
        assert _on(freed, _again(settled, freed)) == _on(freed, plan(_with(settled, freed)).assigns)


def _again(settled: Snapshot, freed: RunView) -> tuple[Assign, ...]:
    planner = Planner(settled)
    planner.plan()
    return planner.replan(Changes(settled.now, runs=(freed,))).assigns


def _with(settled: Snapshot, freed: RunView) -> Snapshot:
    return replace(settled, runs=tuple(freed if each.id == freed.id else each for each in settled.runs))


def _on(where: RunView, assigns: tuple[Assign, ...]) -> list[Assign]:
    return [each for each in assigns if each.run_id == where.id]
