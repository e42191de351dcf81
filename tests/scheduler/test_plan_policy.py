"""Who may go where, who gives way, who waits for whom."""

from __future__ import annotations

from dataclasses import replace

from scheduler.decisions import MEMORY_GUARD, NewRun, Plan, Preempt
from scheduler.plan import plan
from scheduler.reasons import Code
from scheduler.views import AttemptView, Rate, RunView
from shared.units import GIB
from shared.vocabulary import RunState
from tests.scheduler.fleet import NOW, busy, host, job, model, run, shape, snapshot

STUDIO, MINI = host("studio", 16), host("mini", 16)
QWEN = model("qwen", 4, "studio", "mini")
BIG, SMALL = model("big", 14, "studio"), model("small", 2, "studio")


def why(decided: Plan, job_id: str = "a") -> Code:
    return decided.blocked_jobs[job_id].code


def places(decided: Plan) -> list[str]:
    return [start.host for start in decided.starts]


def batch(on: RunView, number: int, *, ago: float = 10, preemptible: bool = True, **more: object) -> AttemptView:
    return AttemptView(f"batch-{number}", 1, on.id, 1, 4, NOW - ago, preemptible, **more)  # type: ignore[arg-type]


# --- where work may go -------------------------------------------------------------------------


def test_a_selector_names_the_hosts_that_will_do() -> None:
    hosts = [replace(STUDIO, labels={"room": "a"}), replace(MINI, labels={"room": "b"})]
    decided = plan(snapshot(hosts, [QWEN], jobs=[job("a", shape(selector=(("room", "b"),)))]))
    assert places(decided) == ["mini"]
    decided = plan(snapshot(hosts, [QWEN], jobs=[job("a", shape(selector=(("room", "c"),)))]))
    assert decided.blocked_jobs["a"].sentence.startswith("mini is not room=c: it is b")


def test_a_taint_keeps_work_away_that_does_not_tolerate_it() -> None:
    hosts = [replace(STUDIO, taints=("gpu=only",))]
    assert why(plan(snapshot(hosts, runs=[run("r")], jobs=[job("a")]))) == Code.TAINTED
    tolerant = shape(tolerations=("gpu=only",))
    assert plan(snapshot(hosts, runs=[run("r")], jobs=[job("a", tolerant)])).assigns


def test_work_that_is_to_be_kept_apart_goes_to_different_hosts() -> None:
    asks = shape(avoid="team=a")
    runs = [run("r1"), run("r2", where="mini")]
    decided = plan(snapshot([STUDIO, MINI], [QWEN], runs=runs, jobs=[job(n, asks) for n in "abc"]))
    assert {each.host for each in decided.assigns} == {"studio", "mini"}
    assert len(decided.blocked_jobs) == 1
    there = [replace(STUDIO, apart=frozenset({"team=a"}))]
    assert why(plan(snapshot(there, runs=[run("r1")], jobs=[job("a", asks)]))) == Code.APART


def test_a_model_is_not_loaded_where_it_is_barred() -> None:
    barred = replace(QWEN, quarantined={"studio": "it took the host down twice"})
    assert places(plan(snapshot([STUDIO, MINI], [barred], jobs=[job("a")]))) == ["mini"]
    decided = plan(snapshot([STUDIO], [barred], jobs=[job("a")]))
    assert decided.blocked_jobs["a"].sentence == "qwen is barred from studio: it took the host down twice"


def test_a_host_that_is_too_hot_gets_no_run_and_a_warm_one_is_avoided() -> None:
    assert why(plan(snapshot([replace(STUDIO, thermal="critical")], jobs=[job("a")]))) == Code.HOT
    hosts = [replace(MINI, thermal="serious"), STUDIO]
    assert places(plan(snapshot(hosts, [QWEN], jobs=[job("a")]))) == ["studio"]


def test_the_host_with_less_load_is_preferred_among_equal_fits() -> None:
    hosts = [replace(MINI, load=0.9), replace(STUDIO, load=0.1)]
    assert places(plan(snapshot(hosts, [QWEN], jobs=[job("a")]))) == ["studio"]


def test_maintenance_says_why_and_lets_idle_runs_end() -> None:
    decided = plan(snapshot([replace(STUDIO, maintenance="new disk")], runs=[run("r")], jobs=[job("a")]))
    assert decided.blocked_jobs["a"].sentence == "studio is under maintenance: new disk"
    assert [stop.run_id for stop in decided.stops] == ["r"]


# --- the memory guard --------------------------------------------------------------------------


def test_a_closed_guard_admits_no_run_and_lets_idle_ones_end() -> None:
    guarded = replace(STUDIO, guard="closed")
    decided = plan(snapshot([guarded], runs=[run("idle", "phi")], jobs=[job("a")]))
    assert why(decided) == Code.GUARD
    assert [stop.run_id for stop in decided.stops] == ["idle"]


def test_a_shedding_guard_ends_the_newest_of_the_least_urgent_runs_one_at_a_time() -> None:
    guarded = replace(STUDIO, guard="shedding")
    runs = [
        busy("urgent", rank=0, created_at=NOW - 1),
        busy("older", rank=4, created_at=NOW - 90),
        busy("newer", rank=4, created_at=NOW - 9),
    ]
    decided = plan(snapshot([guarded], runs=runs))
    assert [(stop.run_id, stop.reason) for stop in decided.stops] == [("newer", MEMORY_GUARD)]
    going = [*runs[:2], replace(runs[2], state=RunState.STOPPING, attempts=0, used=0)]
    assert not plan(snapshot([guarded], runs=going)).stops


# --- preemption --------------------------------------------------------------------------------


def interactive(*attempts: AttemptView, on: RunView) -> Plan:
    seen = snapshot([STUDIO], [replace(QWEN, hosts=frozenset({"studio"}))], runs=[on], jobs=[job("a", shape(rank=0))])
    return plan(replace(seen, attempts=attempts))


def test_the_most_recent_batch_work_gives_way_to_a_person() -> None:
    full = busy("r", used=2, slots=2)
    decided = interactive(batch(full, 1, ago=90), batch(full, 2, ago=5), on=full)
    assert [(each.job_id, each.attempt) for each in decided.preempts] == [("batch-2", 1)]
    assert why(decided) == Code.GIVING_WAY


def test_nobody_is_asked_twice_for_the_same_job() -> None:
    full = busy("r", used=2, slots=2)
    decided = interactive(batch(full, 1, giving_way=True), batch(full, 2), on=full)
    assert not decided.preempts
    assert why(decided) == Code.GIVING_WAY


def test_only_preemptible_batch_work_that_was_not_disturbed_too_often_gives_way() -> None:
    full = busy("r", used=1, slots=1)
    for spared in (
        batch(full, 1, preemptible=False),
        batch(full, 1, preemptions=3),
        replace(batch(full, 1), rank=3),
    ):
        assert not interactive(spared, on=full).preempts
    urgent = snapshot([STUDIO], runs=[full], jobs=[job("a", shape(rank=1))])
    assert not plan(replace(urgent, attempts=(batch(full, 1),))).preempts


def test_batch_work_gives_way_when_its_memory_is_wanted() -> None:
    full = busy("r", "qwen", used=1, held=12 * GIB)
    seen = snapshot([STUDIO], [QWEN, BIG], runs=[full], jobs=[job("a", shape("big", rank=0))])
    decided = plan(replace(seen, attempts=(batch(full, 1),)))
    assert decided.preempts == (Preempt("batch-1", 1, "makes room for big"),)
    again = plan(replace(seen, attempts=(batch(full, 1, giving_way=True),)))
    assert not again.preempts
    assert why(again) == Code.GIVING_WAY


# --- memory that is waited for -----------------------------------------------------------------


def test_smaller_work_goes_ahead_on_kept_memory_only_if_it_is_over_in_time() -> None:
    """`big` needs what `r` holds, which is done in 60 s; `small` fits beside `r`, but not beside `big`."""
    held = busy("r", "qwen", used=1, held=10 * GIB)
    jobs = [job("first", shape("big"), at=NOW - 2), job("second", shape("small"), at=NOW - 1)]
    seen = replace(
        snapshot([STUDIO], [QWEN, BIG, SMALL], runs=[held], jobs=jobs),
        attempts=(AttemptView("at-work", 1, "r", 1, 2, NOW - 40),),
    )
    times = {("qwen", "llama-cpp"): Rate(job=100.0, load=1.0), ("small", "llama-cpp"): Rate(job=20.0, load=1.0)}
    quick = plan(replace(seen, rates=times))
    assert [each.run.model for each in quick.starts if isinstance(each.run, NewRun)] == ["small"]
    assert quick.blocked_jobs["first"].seconds == 100.0
    times["small", "llama-cpp"] = Rate(job=200.0, load=1.0)
    assert not plan(replace(seen, rates=times)).starts
    assert not plan(seen).starts


def test_an_idle_run_that_others_wait_for_is_spared_for_a_while() -> None:
    idle = run("r", "qwen", held=12 * GIB, slots=1)
    asks = shape("qwen", rank=2)
    models = [QWEN, BIG]
    soon = [job("big", shape("big"), at=NOW - 9), job("a", asks, at=NOW - 1)]
    decided = plan(snapshot([STUDIO], models, runs=[idle], jobs=soon))
    assert [each.job_id for each in decided.assigns] == ["a"]
    assert not decided.stops
    late = [job("big", shape("big"), at=NOW - 90), soon[1]]
    assert [stop.run_id for stop in plan(snapshot([STUDIO], models, runs=[idle], jobs=late)).stops] == ["r"]


def test_two_keys_that_want_the_same_model_have_room_made_once() -> None:
    runs = [run("x", "x", held=8 * GIB), run("y", "y", "mini", held=14 * GIB)]
    jobs = [job("a", shape(queue="key:a", rank=1)), job("b", shape(queue="key:b"))]
    nine = model("qwen", 9, "studio", "mini")
    assert len(plan(snapshot([STUDIO, MINI], [nine], runs=runs, jobs=jobs)).stops) == 1


# --- copies ------------------------------------------------------------------------------------


def test_a_second_copy_is_loaded_when_the_wait_is_longer_than_the_load() -> None:
    full = busy("r", used=4)
    jobs = [job(f"j{n}", at=NOW) for n in range(8)]
    asks = jobs[0].shape
    seen = snapshot([STUDIO, MINI], [QWEN], runs=[full], jobs=[replace(each, shape=asks) for each in jobs])
    worth = replace(seen, rates={("qwen", "llama-cpp"): Rate(job=10.0, load=5.0)})
    assert places(plan(worth)) == ["mini"]
    not_worth = replace(seen, rates={("qwen", "llama-cpp"): Rate(job=10.0, load=60.0)})
    assert not plan(not_worth).starts


# --- time --------------------------------------------------------------------------------------


def test_a_job_fails_when_its_deadline_passes() -> None:
    late, early = replace(job("late"), deadline=NOW - 1), replace(job("early"), deadline=NOW + 1)
    decided = plan(snapshot([STUDIO], runs=[run("r")], jobs=[late, early]))
    assert decided.failures["late"].code == "deadline_passed"
    assert [each.job_id for each in decided.assigns] == ["early"]


def test_a_reason_says_what_would_help_and_how_long_it_takes() -> None:
    full = busy("r", used=4)
    seen = replace(snapshot([STUDIO], runs=[full], jobs=[job("a")]), rates={("qwen", "llama-cpp"): Rate(job=8.0)})
    reason = plan(seen).blocked_jobs["a"]
    assert reason.would_help == ("a job of qwen ends",)
    assert reason.seconds == 2.0
    assert reason.as_json()["would_help"] == ["a job of qwen ends"]
