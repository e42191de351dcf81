"""Jobs that need a run."""

from __future__ import annotations

from scheduler.decisions import Assign, NewRun, Plan
from scheduler.plan import plan
from scheduler.reasons import Code
from scheduler.views import LoadView
from shared.errors import OutOfMemory, UnsupportedModel
from shared.runtimes import RunSpec
from shared.vocabulary import RunState
from tests.scheduler.fleet import LLAMA, MLX, NOW, STORE, busy, host, job, model, run, shape, snapshot

STUDIO, MINI = host("studio"), host("mini")


def started(decided: Plan) -> list[tuple[str, str]]:
    return [(start.host, start.run.model if isinstance(start.run, NewRun) else start.run) for start in decided.starts]


def why(decided: Plan, job_id: str) -> Code:
    return decided.blocked_jobs[job_id].code


def test_a_job_takes_a_free_slot_of_a_ready_run() -> None:
    decided = plan(snapshot([STUDIO], runs=[busy("r", used=1)], jobs=[job("a")]))
    assert decided.assigns == (Assign("a", "studio", "llama-cpp", "r", 1),)
    assert not decided.blocked_jobs
    assert not decided.starts


def test_a_job_is_given_at_most_the_slots_that_are_free() -> None:
    decided = plan(snapshot([STUDIO], runs=[busy("r", used=1)], jobs=[job("a", slots=64)]))
    assert decided.assigns == (Assign("a", "studio", "llama-cpp", "r", 3),)


def test_a_job_takes_the_run_with_most_free_slots() -> None:
    runs = [busy("r1", used=3), busy("r2", where="mini", used=1)]
    decided = plan(snapshot([MINI, STUDIO], runs=runs, jobs=[job("a")]))
    assert [each.run_id for each in decided.assigns] == ["r2"]


def test_the_more_urgent_goes_first_and_then_the_older() -> None:
    asks, urgent = shape(), shape(rank=0)
    jobs = [job("young", asks, at=NOW - 1), job("old", asks, at=NOW - 9), job("urgent", urgent, at=NOW)]
    decided = plan(snapshot([STUDIO], runs=[busy("r", used=2)], jobs=jobs))
    assert [each.job_id for each in decided.assigns] == ["urgent", "old"]
    assert why(decided, "young") == Code.SLOTS


def test_a_job_without_a_run_gets_one_and_waits_for_it() -> None:
    decided = plan(snapshot([STUDIO], jobs=[job("a")]))
    assert started(decided) == [("studio", "qwen")]
    assert why(decided, "a") == Code.STARTING


def test_jobs_share_the_run_that_is_being_loaded() -> None:
    asks = shape()
    decided = plan(snapshot([STUDIO, MINI], jobs=[job(str(n), asks) for n in range(4)]))
    assert len(decided.starts) == 1
    decided = plan(snapshot([STUDIO], runs=[run("r", state=RunState.STARTING)], jobs=[job("a")]))
    assert not decided.starts
    assert why(decided, "a") == Code.STARTING


def test_a_run_goes_where_it_fits_most_tightly() -> None:
    hosts = [host("big", 64), host("small", 8), host("tiny", 2)]
    assert started(plan(snapshot(hosts, jobs=[job("a")]))) == [("small", "qwen")]


def test_among_equal_fits_the_host_with_least_to_do_is_taken() -> None:
    runs = [busy("other", "llama", "mini", used=2, held=0)]
    assert started(plan(snapshot([MINI, STUDIO], runs=runs, jobs=[job("a")]))) == [("studio", "qwen")]


def test_a_run_goes_only_where_the_model_is_installed() -> None:
    decided = plan(snapshot([MINI, STUDIO], [model("qwen", 4, "studio")], jobs=[job("a")]))
    assert started(decided) == [("studio", "qwen")]
    decided = plan(snapshot([MINI], [model("qwen", 4, "studio")], jobs=[job("a")]))
    assert why(decided, "a") == Code.NOT_INSTALLED


def test_a_run_of_another_runtime_host_or_smaller_context_does_not_serve() -> None:
    hosts = [host("studio", 64, LLAMA, MLX), host("mini", 64, LLAMA, MLX)]
    for asks in (
        shape(runtime="mlx-lm"),
        shape(host="mini"),
        shape(spec=RunSpec(context=8192)),
        shape(spec=RunSpec(params={"seed": 1})),
    ):
        decided = plan(snapshot(hosts, runs=[run("r")], jobs=[job("a", asks)]))
        assert not decided.assigns
        assert len(decided.starts) == 1


def test_context_beyond_the_model_does_not_load_it_again_and_again() -> None:
    asks = shape(spec=RunSpec(context=100_000))
    decided = plan(snapshot([STUDIO], runs=[run("r", context=8192)], jobs=[job("a", asks)]))
    assert len(decided.assigns) == 1


def test_a_run_that_a_job_acquired_serves_nobody_else() -> None:
    decided = plan(snapshot([STUDIO], runs=[run("r", owner_job="bench")], jobs=[job("a")]))
    assert not decided.assigns
    assert len(decided.starts) == 1


def test_runs_on_closed_or_silent_hosts_take_no_work() -> None:
    for facts in ({"up": False}, {"draining": True}, {"cordoned": True}, {"reserved_by": "bench"}):
        decided = plan(snapshot([host("studio", 16, **facts), MINI], runs=[run("r")], jobs=[job("a")]))
        assert not decided.assigns
        assert started(decided) == [("mini", "qwen")]


def test_a_run_whose_worker_is_gone_takes_no_work() -> None:
    decided = plan(snapshot([host("studio", 16, STORE)], runs=[run("r")], jobs=[job("a")]))
    assert why(decided, "a") == Code.NO_RUNTIME


def test_a_second_copy_is_loaded_elsewhere_only_after_a_while() -> None:
    soon = plan(snapshot([STUDIO, MINI], runs=[busy("r")], jobs=[job("a", at=NOW - 1)]))
    assert not soon.starts
    assert why(soon, "a") == Code.SLOTS
    later = plan(snapshot([STUDIO, MINI], runs=[busy("r")], jobs=[job("a", at=NOW - 60)]))
    assert started(later) == [("mini", "qwen")]


def test_a_second_copy_displaces_nobody_while_nobody_knows_how_long_jobs_take() -> None:
    runs = [busy("r"), run("idle", "llama", "mini", held=14 << 30)]
    decided = plan(snapshot([STUDIO, MINI], runs=runs, jobs=[job("a", at=NOW - 60)]))
    assert not decided.starts
    assert not decided.stops


def test_a_reason_names_needs_and_what_each_host_lacks() -> None:
    runs = [busy("r1", "llama", held=14 << 30), run("r2", "phi", "mini", held=15 << 30, pinned=True)]
    reason = plan(snapshot([STUDIO, MINI], runs=runs, jobs=[job("a")])).blocked_jobs["a"]
    assert reason.code == Code.MEMORY
    assert reason.sentence == (
        "needs 4.2 GiB; studio has 2.0 GiB free, 14.0 GiB held by llama (busy); llama is to finish first"
    )
    assert reason.needs is not None
    assert reason.needs > 4 << 30
    assert {fact.host: fact.free for fact in reason.hosts} == {"studio": 2 << 30, "mini": 1 << 30}


def test_a_model_that_cannot_be_loaded_fails_its_jobs() -> None:
    problem = UnsupportedModel("llama.cpp does not know this architecture").problem
    loads = [LoadView("qwen", "llama-cpp", NOW - 1, problem)]
    decided = plan(snapshot([STUDIO], jobs=[job("a", at=NOW - 5)], loads=loads))
    assert decided.failures["a"].code == "unsupported_model"
    assert not decided.starts


def test_another_runtime_is_tried_before_giving_up() -> None:
    loads = [LoadView("qwen", "llama-cpp", NOW - 1, UnsupportedModel("no").problem)]
    decided = plan(snapshot([host("studio", 16, LLAMA, MLX)], jobs=[job("a", at=NOW - 5)], loads=loads))
    assert [start.runtime for start in decided.starts] == ["mlx-lm"]


def test_failures_from_before_the_job_do_not_count() -> None:
    loads = [LoadView("qwen", "llama-cpp", NOW - 9, UnsupportedModel("no").problem)]
    assert plan(snapshot([STUDIO], jobs=[job("a", at=NOW - 5)], loads=loads)).starts


def test_a_load_that_crashed_is_tried_again_after_a_pause_and_three_times() -> None:
    crash = OutOfMemory("out of memory").problem
    loads = [LoadView("qwen", "llama-cpp", NOW - age, crash) for age in (1, 10, 20)]
    waiting = [job("a", at=NOW - 50)]
    assert why(plan(snapshot([STUDIO], jobs=waiting, loads=loads[:1])), "a") == Code.BACKOFF
    assert plan(snapshot([STUDIO], jobs=waiting, loads=loads[1:2])).starts
    assert plan(snapshot([STUDIO], jobs=waiting, loads=loads)).failures["a"].code == "out_of_memory"


def test_a_load_that_worked_ends_the_row_of_failures() -> None:
    crash = OutOfMemory("out of memory").problem
    loads = [
        LoadView("qwen", "llama-cpp", NOW - age, problem) for age, problem in ((5, crash), (10, None), (20, crash))
    ]
    assert plan(snapshot([STUDIO], jobs=[job("a", at=NOW - 50)], loads=loads)).starts


def test_a_job_whose_model_was_removed_fails() -> None:
    decided = plan(snapshot([STUDIO], [], jobs=[job("a")]))
    assert decided.failures["a"].code == "not_found"


def test_a_scripted_memory_that_is_no_size_blocks_its_job_alone() -> None:
    echo = model("echo", 0, format="echo")
    hosts = [host("studio", 16, MLX.model_copy(update={"name": "echo", "formats": ("echo",)}))]
    jobs = [job("bad", shape("echo", spec=RunSpec(params={"memory": "lots"}))), job("good", shape("echo"))]
    decided = plan(snapshot(hosts, [echo], jobs=jobs))
    assert why(decided, "bad") == Code.INVALID
    assert why(decided, "good") == Code.STARTING
