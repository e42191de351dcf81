"""Jobs that need no run, and jobs that need a whole host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scheduler.decisions import Assign, Plan, Reserve
from scheduler.plan import plan
from scheduler.reasons import Code
from scheduler.views import Begun, HostView, LaneView, Shape
from shared.units import GIB
from shared.vocabulary import RunState
from tests.scheduler.fleet import NOW, busy, download, host, job, model, run, shape, snapshot

STUDIO, MINI = host("studio", 16, disk_free=50 * GIB), host("mini", 16, disk_free=90 * GIB)
QWEN = model("qwen", 4, "studio", "mini")


def bench(*acquires: tuple[str, str | None], **more: Any) -> Shape:
    return shape(None, exclusive=True, acquires=acquires or (("qwen", None),), **more)


def test_a_download_goes_where_most_disk_is_free() -> None:
    assert plan(snapshot([STUDIO, MINI], jobs=[download("d")])).assigns == (Assign("d", "mini", "store", None, 1),)


def test_a_download_goes_to_the_host_it_is_for() -> None:
    decided = plan(snapshot([STUDIO, MINI], jobs=[download("d", host="studio")]))
    assert [each.host for each in decided.assigns] == ["studio"]
    decided = plan(snapshot([MINI], jobs=[download("d", host="studio")]))
    assert decided.blocked_jobs["d"].code == Code.NO_HOST


def test_downloads_take_no_more_places_than_the_lane_has() -> None:
    lanes = {("mini", "store"): LaneView(1, 1)}
    decided = plan(snapshot([MINI], jobs=[download("a"), download("b")], lanes=lanes))
    assert [each.job_id for each in decided.assigns] == ["a"]
    assert decided.blocked_jobs["b"].sentence == "needs 1.0 GiB; all 2 places of store on mini are taken"


def test_downloads_of_one_plan_do_not_share_the_same_disk() -> None:
    jobs = [download("a", gib=60), download("b", gib=60)]
    decided = plan(snapshot([MINI], jobs=jobs))
    assert [each.job_id for each in decided.assigns] == ["a"]
    assert decided.blocked_jobs["b"].code == Code.DISK


def test_what_needs_no_disk_is_done_on_a_full_one() -> None:
    full = host("mini", 16, disk_free=0)
    jobs = [download("pull", gib=1), download("discard", gib=0, kind="discard")]
    decided = plan(snapshot([full], jobs=jobs))
    assert [each.job_id for each in decided.assigns] == ["discard"]
    assert decided.blocked_jobs["pull"].sentence == "needs 1.0 GiB; mini has 0 B of disk left for downloads"


def again(begun: Begun, *hosts: HostView, job_host: str | None = None, lane: int = 0) -> Plan:
    """The plan for a download of 60 GiB that was tried before."""
    lanes = {(each.name, "store"): LaneView(lane, lane) for each in hosts if each.name == begun.host}
    seen = snapshot(list(hosts), jobs=[download("d", gib=60, host=job_host)], lanes=lanes)
    return plan(replace(seen, begun={"d": begun}))


def test_a_download_goes_on_where_its_bytes_are_whatever_the_whole_of_it_needs() -> None:
    assert [each.host for each in again(Begun("studio"), STUDIO, MINI).assigns] == ["studio"]


def test_a_download_waits_for_a_place_where_its_bytes_are() -> None:
    decided = again(Begun("studio"), STUDIO, MINI, lane=2)
    assert not decided.assigns
    assert decided.blocked_jobs["d"].code == Code.LANE


@pytest.mark.parametrize("gone", [{"up": False}, {"draining": True}, {"reserved_by": "other"}])
def test_a_download_begins_anew_elsewhere_when_its_host_takes_no_work(gone: dict[str, Any]) -> None:
    assert [each.host for each in again(Begun("studio"), replace(STUDIO, **gone), MINI).assigns] == ["mini"]


def test_a_download_that_filled_a_disk_looks_for_another_and_then_trusts_whoever_retried_it() -> None:
    full = Begun("studio", full=True)
    assert [each.host for each in again(full, STUDIO, MINI).assigns] == ["mini"]
    assert [each.host for each in again(full, STUDIO, host("mini", disk_free=GIB)).assigns] == ["studio"]
    assert [each.host for each in again(full, STUDIO, MINI, job_host="studio").assigns] == ["studio"]


def test_an_exclusive_job_takes_an_empty_host_at_once() -> None:
    decided = plan(snapshot([STUDIO], jobs=[job("b", bench())]))
    assert decided.reserves == (Reserve("studio", "b"),)
    assert decided.assigns == (Assign("b", "studio", "llama-cpp", None, 1),)


def test_an_exclusive_job_takes_the_host_with_least_to_interrupt_and_waits_until_it_is_empty() -> None:
    lanes = {("studio", "llama-cpp"): LaneView(1, 0), ("mini", "llama-cpp"): LaneView(2, 0)}
    decided = plan(snapshot([STUDIO, MINI], [QWEN], jobs=[job("b", bench())], lanes=lanes))
    assert decided.reserves == (Reserve("studio", "b"),)
    assert not decided.assigns
    assert decided.blocked_jobs["b"].code == Code.OTHERS


def test_idle_runs_leave_the_host_of_an_exclusive_job_and_pinned_ones_stay() -> None:
    reserved = host("studio", 16, reserved_by="b")
    runs = [run("idle", "a"), run("kept", "c", pinned=True)]
    decided = plan(snapshot([reserved], runs=runs, jobs=[job("b", bench())]))
    assert [stop.run_id for stop in decided.stops] == ["idle"]
    assert not decided.assigns
    gone = plan(snapshot([reserved], runs=runs[1:], jobs=[job("b", bench())]))
    assert [each.job_id for each in gone.assigns] == ["b"]


def test_nobody_else_gets_work_on_a_reserved_host() -> None:
    reserved = host("studio", 16, reserved_by="b")
    jobs = [job("other", at=NOW - 50), download("d", at=NOW - 50)]
    decided = plan(snapshot([reserved], runs=[run("r")], jobs=jobs))
    assert not decided.assigns
    assert {reason.code for reason in decided.blocked_jobs.values()} == {Code.RESERVED}


def test_runs_that_an_exclusive_job_acquires_are_placed_on_its_host() -> None:
    reserved = host("studio", 16, reserved_by="b", draining=True)
    acquired = run("r", where=None, owner_job="b", wanted_host="studio")
    decided = plan(snapshot([reserved], runs=[acquired]))
    assert [(start.run, start.host) for start in decided.starts] == [("r", "studio")]


def test_an_exclusive_job_does_not_take_a_host_from_under_earlier_work() -> None:
    asks = shape()
    jobs = [job("first", asks, at=NOW - 9), job("b", bench(rank=4), at=NOW - 50)]
    decided = plan(snapshot([STUDIO], runs=[busy("r")], jobs=jobs))
    assert not decided.reserves
    assert decided.blocked_jobs["b"].code == Code.ORDER


def test_two_exclusive_jobs_never_share_a_host() -> None:
    jobs = [job("b1", bench()), job("b2", bench()), job("b3", bench())]
    decided = plan(snapshot([STUDIO, MINI], [QWEN], jobs=jobs))
    assert {(each.host, each.job_id) for each in decided.reserves} == {("mini", "b1"), ("studio", "b2")}
    assert decided.blocked_jobs["b3"].code == Code.RESERVED


def test_an_exclusive_job_needs_a_host_that_can_load_all_its_models() -> None:
    models = [QWEN, model("other", 4, "mini")]
    decided = plan(snapshot([STUDIO, MINI], models, jobs=[job("b", bench(("qwen", None), ("other", None)))]))
    assert [each.host for each in decided.assigns] == ["mini"]
    pinned = run("p", "x", "mini", held=14 * GIB, pinned=True)
    decided = plan(snapshot([MINI], models, runs=[pinned], jobs=[job("b", bench())]))
    assert decided.blocked_jobs["b"].sentence == "the pinned runs of mini leave too little memory for qwen"


def test_an_exclusive_job_waits_for_runs_that_are_being_loaded_or_stopped() -> None:
    reserved = host("studio", 16, reserved_by="b")
    for state in (RunState.STARTING, RunState.STOPPING):
        decided = plan(snapshot([reserved], runs=[run("r", state=state)], jobs=[job("b", bench())]))
        assert not decided.assigns
        assert not decided.stops
