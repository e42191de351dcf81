"""Planning again after one change: as a whole plan would, where it looks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from scheduler.decisions import Assign, Plan
from scheduler.plan import plan
from scheduler.planner import Planner
from scheduler.reasons import Code
from scheduler.views import AttemptView, JobView, LaneView, QueueView, RunView, Snapshot
from shared.vocabulary import RunState
from tests.scheduler.carry import carried_out
from tests.scheduler.fleet import NOW, busy, download, host, job, model, run, shape, snapshot
from tests.scheduler.test_plan_properties import snapshots


def again(before: Snapshot, after: Snapshot) -> Plan:
    """What is decided after a change, once all was planned before it."""
    planner = Planner(few_hosts=0)
    planner.plan(before)
    return planner.replan(after)


def test_a_slot_that_comes_free_goes_to_who_is_first() -> None:
    asks = shape()
    jobs = [job("young", asks, at=NOW - 1), job("oldest", asks, at=NOW - 99), job("old", asks, at=NOW - 9)]
    before = snapshot([host("studio")], runs=[busy("r")], jobs=jobs)
    decided = again(before, replace(before, runs=(busy("r", used=3),)))
    assert decided.assigns == (Assign("oldest", "studio", "llama-cpp", "r", 1),)


def test_a_run_that_has_loaded_gets_as_many_jobs_as_it_has_slots() -> None:
    asks = shape()
    coming = run("r", state=RunState.STARTING)
    before = snapshot([host("studio")], runs=[coming], jobs=[job(f"j{n}", asks) for n in range(6)])
    decided = again(before, replace(before, runs=(replace(coming, state=RunState.READY),)))
    assert [each.job_id for each in decided.assigns] == ["j0", "j1", "j2", "j3"]


def test_a_slot_that_was_given_and_came_back_between_two_looks_is_given_again() -> None:
    asks = shape()
    seen = snapshot([host("studio")], runs=[run("r", slots=1)], jobs=[job("a", asks, at=NOW - 9), job("b", asks)])
    planner = Planner(few_hosts=0)
    assert [each.job_id for each in planner.plan(seen).assigns] == ["a"]
    after = replace(seen, jobs=seen.jobs[1:])
    assert [each.job_id for each in planner.replan(after).assigns] == ["b"]


def test_a_place_on_a_lane_and_a_limit_that_came_back_between_two_looks_are_given_again() -> None:
    """One by one, by the limit; the lane has room for two."""
    jobs = [download("a"), download("b"), download("c")]
    seen = snapshot([host("studio")], jobs=[replace(each, shape=jobs[0].shape) for each in jobs])
    seen = replace(seen, queues={"all": QueueView("all", max_running=1)})
    planner = Planner(few_hosts=0)
    for name in ("a", "b", "c"):
        decided = planner.replan(seen)
        assert [each.job_id for each in decided.assigns] == [name]
        seen = replace(seen, jobs=seen.jobs[1:])


def test_a_job_that_comes_is_assigned_or_gets_a_run() -> None:
    before = snapshot([host("studio", 16)], [model("qwen", 4, "studio"), model("phi", 2, "studio")], runs=[run("r")])
    assert again(before, replace(before, jobs=(job("a"),))).assigns[0].run_id == "r"
    assert [start.host for start in again(before, replace(before, jobs=(job("b", shape("phi")),))).starts] == ["studio"]


def test_a_run_that_somebody_asks_for_is_placed_at_once() -> None:
    before = snapshot([host("studio", 16), host("mini", 16)])
    decided = again(before, replace(before, runs=(run("wish", where=None),)))
    assert [start.run for start in decided.starts] == ["wish"]


def test_memory_that_is_kept_for_somebody_is_not_given_to_who_comes_later() -> None:
    models = [model("big", 14, "studio"), model("small", 2, "studio")]
    leaving = run("old", "a", held=10 << 30, state=RunState.STOPPING)
    before = snapshot([host("studio", 16)], models, runs=[leaving], jobs=[job("first", shape("big"), at=NOW - 9)])
    late = replace(before, jobs=(*before.jobs, job("late", shape("small"))))
    planner = Planner(few_hosts=0)
    assert planner.plan(before).blocked_jobs["first"].code == Code.FREEING
    decided = planner.replan(late)
    assert not decided.starts
    assert "late" in decided.blocked_jobs
    [start] = planner.replan(replace(late, runs=())).starts
    assert not isinstance(start.run, str)
    assert start.run.model == "big"


def test_a_job_that_is_gone_is_not_assigned() -> None:
    asks = shape()
    first, second = job("a", asks, at=NOW - 9), job("b", asks)
    before = snapshot([host("studio")], runs=[busy("r")], jobs=[first, second])
    decided = again(before, replace(before, jobs=(second,), runs=(busy("r", used=3),)))
    assert [each.job_id for each in decided.assigns] == ["b"]


def test_a_lane_that_comes_free_gets_the_next_download() -> None:
    full = {("studio", "store"): LaneView(2, 2)}
    before = snapshot([host("studio")], jobs=[download("d")], lanes=full)
    assert not plan(before).assigns
    decided = again(before, replace(before, lanes={("studio", "store"): LaneView(1, 1)}))
    assert [each.job_id for each in decided.assigns] == ["d"]


def test_a_host_that_has_emptied_begins_the_job_it_is_kept_for() -> None:
    alone = job("alone", shape(None, exclusive=True, runtime="llama-cpp"))
    before = snapshot([host("studio", reserved_by="alone")], runs=[busy("r", used=1)], jobs=[alone])
    after = replace(before, runs=(run("r"),), lanes={})
    assert (again(before, after).assigns, again(before, after).stops) == (plan(after).assigns, plan(after).stops)


def test_a_person_for_whom_nothing_is_free_may_have_others_give_way() -> None:
    batch = [AttemptView("low", 1, "r", 4, 4, NOW - 30, preemptible=True)]
    before = replace(snapshot([host("studio")], runs=[busy("r")]), attempts=tuple(batch))
    after = replace(before, jobs=(job("person", shape(rank=0)),))
    assert again(before, after).preempts == plan(after).preempts != ()


def test_a_part_of_the_queue_that_opens_is_looked_at_whole() -> None:
    before = snapshot([host("studio")], runs=[run("r")], jobs=[job("a", shape(queue="key:a"))])
    before = replace(before, queues={"key:a": QueueView("key:a", paused=True)})
    assert not plan(before).assigns
    assert again(before, replace(before, queues={"key:a": QueueView("key:a")})).assigns


def test_a_host_that_comes_back_is_used_at_once() -> None:
    before = snapshot([host("studio", up=False)], jobs=[job("a")])
    after = replace(before, hosts={"studio": host("studio")})
    assert again(before, after).starts == plan(after).starts != ()


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_a_slot_that_comes_free_is_given_as_a_whole_plan_would(seen: Snapshot) -> None:
    settled = carried_out(seen, plan(seen))
    at_work = [each for each in settled.runs if each.state == RunState.READY and each.attempts > 1 and each.used > 1]
    for each in at_work:
        freed = replace(each, used=each.used - 1, attempts=each.attempts - 1)
        after = replace(settled, runs=tuple(freed if run.id == each.id else run for run in settled.runs))
        assert _on(freed, again(settled, after)) == _on(freed, plan(after))


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_a_job_that_comes_is_assigned_as_a_whole_plan_would(seen: Snapshot) -> None:
    settled = carried_out(seen, plan(seen))
    for asks in {each.shape.model_id: each.shape for each in seen.jobs}.values():
        late = JobView("late", settled.now, 1, asks)
        after = replace(settled, jobs=(*settled.jobs, late))
        assert _of(late, again(settled, after)) == _of(late, plan(after))


@settings(max_examples=100, deadline=None)
@given(snapshots())
def test_without_an_event_nothing_is_decided(seen: Snapshot) -> None:
    settled = carried_out(seen, plan(seen))
    planner = Planner(few_hosts=0)
    planner.plan(settled)
    assert not planner.replan(settled).acts


@pytest.mark.parametrize("few", [0, 64])
def test_the_first_plan_of_a_lead_is_whole(few: int) -> None:
    planner = Planner(few)
    seen = snapshot([host("studio")], jobs=[job("a")])
    planner.plan(seen)
    planner.forget()
    assert planner.replan(seen) == plan(seen)


def _on(where: RunView, decided: Plan) -> list[Assign]:
    return [each for each in decided.assigns if each.run_id == where.id]


def _of(late: JobView, decided: Plan) -> list[Assign]:
    return [each for each in decided.assigns if each.job_id == late.id]
