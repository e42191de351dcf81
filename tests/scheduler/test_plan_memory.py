"""Runs placed by memory: who makes room for whom."""

from __future__ import annotations

from scheduler.plan import plan
from scheduler.reasons import Code
from shared.units import GIB
from shared.vocabulary import RunState
from tests.scheduler.fleet import NOW, busy, host, job, model, run, shape, snapshot

STUDIO = host("studio", 16)
BIG = model("big", 14, "studio", "mini")
SMALL = model("small", 2, "studio", "mini")


def stopped(*args: object, **more: object) -> list[str]:
    return [stop.run_id for stop in plan(snapshot(*args, **more)).stops]  # type: ignore[arg-type]


def test_the_least_recently_used_idle_run_makes_room() -> None:
    runs = [
        run("newer", "a", held=6 * GIB, last_used_at=NOW - 5),
        run("older", "b", held=6 * GIB, last_used_at=NOW - 50),
    ]
    assert not stopped([STUDIO], [model("qwen", 3, "studio")], runs=runs, jobs=[job("j")])
    eight = [model("qwen", 8, "studio")]
    assert stopped([STUDIO], eight, runs=runs, jobs=[job("j")]) == ["older"]


def test_no_more_runs_end_than_needed() -> None:
    runs = [
        run("small-old", "a", held=1 * GIB, last_used_at=NOW - 90),
        run("large", "b", held=12 * GIB, last_used_at=NOW - 50),
        run("newest", "c", held=2 * GIB, last_used_at=NOW - 5),
    ]
    assert stopped([STUDIO], [model("qwen", 8, "studio")], runs=runs, jobs=[job("j")]) == ["large"]


def test_busy_pinned_starting_owned_and_streaming_runs_stay() -> None:
    for kept in (
        busy("r", "a", held=14 * GIB),
        run("r", "a", held=14 * GIB, pinned=True),
        run("r", "a", held=14 * GIB, state=RunState.STARTING),
        run("r", "a", held=14 * GIB, owner_job="bench"),
        run("r", "a", held=14 * GIB, streaming=True),
    ):
        decided = plan(snapshot([STUDIO], [BIG], runs=[kept], jobs=[job("j", shape("big"))]))
        assert not decided.stops
        assert decided.blocked_jobs["j"].code == Code.MEMORY


def test_the_host_with_fewest_runs_in_the_way_is_cleared() -> None:
    hosts = [STUDIO, host("mini", 16)]
    runs = [run("s1", "a", held=6 * GIB), run("s2", "b", held=6 * GIB), run("m", "c", "mini", held=10 * GIB)]
    assert stopped(hosts, [BIG], runs=runs, jobs=[job("j", shape("big"))]) == ["m"]


def test_memory_on_its_way_back_is_waited_for() -> None:
    runs = [run("old", "a", held=10 * GIB, state=RunState.STOPPING), run("idle", "b", held=1 * GIB)]
    decided = plan(snapshot([STUDIO], [model("qwen", 12, "studio")], runs=runs, jobs=[job("j")]))
    assert not decided.stops
    assert not decided.starts
    assert decided.blocked_jobs["j"].code == Code.FREEING


def test_nobody_behind_takes_the_memory_that_somebody_waits_for() -> None:
    runs = [run("old", "a", held=10 * GIB, state=RunState.STOPPING)]
    jobs = [job("first", shape("big"), at=NOW - 9), job("second", shape("small"), at=NOW - 1)]
    decided = plan(snapshot([STUDIO], [BIG, SMALL], runs=runs, jobs=jobs))
    assert not decided.starts
    assert decided.blocked_jobs["second"].code in (Code.MEMORY, Code.FREEING)


def test_smaller_work_goes_ahead_where_it_delays_nobody() -> None:
    runs = [run("old", "a", held=10 * GIB, state=RunState.STOPPING)]
    jobs = [job("first", shape("mid"), at=NOW - 9), job("second", shape("small"), at=NOW - 1)]
    models = [model("mid", 10, "studio"), SMALL]
    decided = plan(snapshot([STUDIO], models, runs=runs, jobs=jobs))
    assert [start.size.need.weights for start in decided.starts] == [2 * GIB]


def test_memory_of_a_lost_run_counts_until_its_host_has_cleaned_up() -> None:
    runs = [run("lost", "a", held=10 * GIB, state=RunState.FAILED)]
    decided = plan(snapshot([STUDIO], [BIG], runs=runs, jobs=[job("j", shape("big"))]))
    assert not decided.starts
    assert not decided.stops
    assert "lost, its host has not cleaned up" in decided.blocked_jobs["j"].sentence


def test_who_has_waited_too_long_is_not_overtaken_for_ever() -> None:
    runs = [busy("r", "qwen", held=14 * GIB, used=3)]
    models = [BIG, model("qwen", 4, "studio")]
    jobs = [job("old", shape("big"), at=NOW - 60), job("young", shape("qwen"), at=NOW - 1)]
    decided = plan(snapshot([STUDIO], models, runs=runs, jobs=jobs))
    assert not decided.assigns
    assert "qwen takes no more work until it fits" in decided.blocked_jobs["old"].sentence
    patient = [job("old", shape("big"), at=NOW - 5), *jobs[1:]]
    assert len(plan(snapshot([STUDIO], models, runs=runs, jobs=patient)).assigns) == 1


def test_a_run_that_just_got_a_job_is_not_evicted() -> None:
    runs = [run("r", "qwen", held=14 * GIB)]
    jobs = [job("first", shape("qwen"), at=NOW - 9), job("second", shape("big"), at=NOW - 1)]
    decided = plan(snapshot([STUDIO], [BIG, model("qwen", 4, "studio")], runs=runs, jobs=jobs))
    assert [each.job_id for each in decided.assigns] == ["first"]
    assert not decided.stops


def test_runs_idle_past_their_keep_alive_end() -> None:
    runs = [
        run("over", last_used_at=NOW - 301),
        run("young", last_used_at=NOW - 299),
        run("for-ever", last_used_at=NOW - 9999, keep_alive=-1),
        run("pinned", last_used_at=NOW - 9999, pinned=True),
        busy("busy", last_used_at=NOW - 9999),
    ]
    assert stopped([host("studio", 64)], runs=runs) == ["over"]


def test_idle_runs_of_a_draining_host_end() -> None:
    runs = [run("idle"), busy("busy"), run("pinned", pinned=True)]
    assert stopped([host("studio", 64, draining=True)], runs=runs) == ["idle"]


def test_runs_of_a_job_that_is_over_end() -> None:
    runs = [
        run("loaded", owner_job="bench", owner_live=False),
        run("loading", owner_job="bench", owner_live=False, state=RunState.STARTING),
        run("waiting", where=None, owner_job="bench", owner_live=False),
        run("alive", owner_job="other", owner_live=True),
    ]
    decided = plan(snapshot([host("studio", 64)], runs=runs))
    assert {(stop.run_id, stop.placed) for stop in decided.stops} == {
        ("loaded", True),
        ("loading", True),
        ("waiting", False),
    }
    assert not decided.starts


def test_pending_runs_take_their_turn_among_the_jobs() -> None:
    tight = host("studio", 5)
    models = [model("qwen", 4, "studio"), model("other", 4, "studio")]
    asked = run("asked", "other", None, rank=1)
    decided = plan(snapshot([tight], models, runs=[asked], jobs=[job("j", shape("qwen"))]))
    assert [start.run for start in decided.starts] == ["asked"]
    late = run("asked", "other", None, rank=3)
    decided = plan(snapshot([tight], models, runs=[late], jobs=[job("j", shape("qwen"))]))
    assert decided.blocked_runs["asked"].code == Code.MEMORY
    assert len(decided.starts) == 1


def test_a_pending_run_goes_to_the_host_and_runtime_it_asks_for() -> None:
    hosts = [STUDIO, host("mini", 8)]
    decided = plan(snapshot(hosts, runs=[run("r", where=None, wanted_host="studio")]))
    assert [(start.run, start.host) for start in decided.starts] == [("r", "studio")]
    decided = plan(snapshot(hosts, runs=[run("r", where=None, wanted_runtime="mlx-lm")]))
    assert decided.blocked_runs["r"].code == Code.NO_RUNTIME
