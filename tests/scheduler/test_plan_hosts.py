"""Hosts that people close: cordoned, drained or under maintenance. And where a model is taken from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scheduler.decisions import Plan
from scheduler.plan import plan
from scheduler.reasons import Code
from scheduler.views import HostView, QueueView, RunView
from shared.vocabulary import RunState
from tests.scheduler.fleet import NOW, busy, host, job, model, run, shape, snapshot

STUDIO, MINI = host("studio", 16), host("mini", 16)
CLOSED: list[dict[str, Any]] = [{"cordoned": True}, {"draining": True}, {"maintenance": "new disk"}]


def with_a_job(where: HostView, *runs: RunView) -> Plan:
    return plan(snapshot([where], [model("qwen", 4, "studio")], runs=list(runs), jobs=[job("a")]))


@pytest.mark.parametrize("closed", CLOSED)
def test_a_closed_host_gets_no_work_no_run_and_is_named_as_the_reason(closed: dict[str, Any]) -> None:
    where = replace(STUDIO, **closed)
    for decided in (with_a_job(where), with_a_job(where, busy("r", used=1))):
        assert not decided.assigns
        assert not decided.starts
        reason = decided.blocked_jobs["a"]
        word = "is under maintenance: new disk" if "maintenance" in closed else f"is {next(iter(closed))}"
        assert (reason.code, reason.sentence) == (Code.CLOSED, f"studio {word}")
        assert reason.would_help == ("studio is opened: cidermill hosts undrain studio",)


@pytest.mark.parametrize("closed", CLOSED)
def test_work_that_runs_on_a_closed_host_is_left_to_finish(closed: dict[str, Any]) -> None:
    decided = with_a_job(replace(STUDIO, **closed), busy("r", used=1))
    assert not decided.stops
    assert not decided.preempts


@pytest.mark.parametrize(("closed", "ended"), [*zip(CLOSED, (False, True, True), strict=True)])
def test_idle_runs_leave_a_host_that_empties_and_stay_on_a_cordoned_one(closed: dict[str, Any], *, ended: bool) -> None:
    assert [stop.run_id for stop in with_a_job(replace(STUDIO, **closed), run("r")).stops] == (["r"] if ended else [])


@pytest.mark.parametrize("closed", CLOSED)
def test_work_goes_to_the_hosts_that_are_open(closed: dict[str, Any]) -> None:
    hosts = [replace(STUDIO, **closed), MINI]
    jobs = [job("a"), job("bench", shape(None, exclusive=True, acquires=(("qwen", None),)))]
    decided = plan(snapshot(hosts, runs=[busy("r", used=1)], jobs=jobs[:1]))
    assert [start.host for start in decided.starts] == ["mini"]
    assert [reserve.host for reserve in plan(snapshot(hosts, jobs=jobs[1:])).reserves] == ["mini"]


def test_a_draining_host_still_belongs_to_the_exclusive_job_that_has_it() -> None:
    drains = replace(STUDIO, draining=True, reserved_by="bench")
    bench = job("bench", shape(None, exclusive=True, acquires=(("qwen", None),)))
    assert [each.job_id for each in plan(snapshot([drains], jobs=[bench])).assigns] == ["bench"]


def test_a_model_is_taken_from_where_it_is_nearest() -> None:
    """From a ready run, else one that is starting, else a disk here, else that of a peer, else the hub."""
    peer = replace(MINI, taints=("night=only",))
    there = model("qwen", 4, "studio", "mini", reference="hf:org/qwen")
    ready, starting = run("ready", slots=1), run("starting", state=RunState.STARTING)
    asks = [job("a", at=NOW - 90)]

    def told(*runs: RunView, on: tuple[str, ...]) -> tuple[str, Plan]:
        seen = snapshot([STUDIO, peer], [replace(there, hosts=frozenset(on))], runs=list(runs), jobs=asks)
        decided = plan(seen)
        reason = decided.blocked_jobs.get("a")
        return (reason.sentence if reason else "assigned"), decided

    assert told(ready, starting, on=("studio", "mini"))[1].assigns[0].run_id == "ready"
    sentence, decided = told(starting, on=("studio", "mini"))
    assert (sentence, decided.starts) == ("qwen is being loaded by llama-cpp on studio", ())
    assert [start.host for start in told(on=("studio", "mini"))[1].starts] == ["studio"]
    assert told(on=("mini",))[0] == "qwen is being fetched to studio, 4.0 GiB from mini"
    assert told(on=())[0] == "qwen is being fetched to studio, 4.0 GiB from the hub"


@pytest.mark.parametrize("part", ["all", "kind:chat", "class:normal", "key:a", "label:team=b"])
def test_any_part_of_the_queue_can_be_limited_or_paused(part: str) -> None:
    asks = shape(kind="chat", queue="key:a", parts=("label:team=b",))
    seen = snapshot([STUDIO], runs=[run("r")], jobs=[job(name, asks) for name in ("a", "b")])
    limited = plan(replace(seen, queues={part: QueueView(part, max_running=1)}))
    assert [each.job_id for each in limited.assigns] == ["a"]
    assert limited.blocked_jobs["b"].code == Code.LIMIT
    full = plan(replace(seen, queues={part: QueueView(part, max_running=1, running=1)}))
    assert (full.assigns, full.blocked_jobs["a"].code) == ((), Code.LIMIT)
    paused = plan(replace(seen, queues={part: QueueView(part, paused=True)}))
    assert paused.blocked_jobs["a"].would_help == (f"resume it: cidermill queues resume {part}",)
