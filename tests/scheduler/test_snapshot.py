"""From rows to what the planner sees, on both databases."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, update

from scheduler.apply import apply
from scheduler.plan import plan
from scheduler.reading.snapshot import Reader
from scheduler.reading.waiting import FEW, WINDOW
from scheduler.views import LaneView, Rate, Snapshot
from shared import queues
from shared.db import Database, clock_time
from shared.errors import UnsupportedModel
from shared.jobs import state as jobs
from shared.jobs.state import Placement, Timers, cancel
from shared.runtimes import RunSpec
from shared.tables import Attempt, Job, Run
from shared.units import GIB
from shared.vocabulary import JobState, RunState
from tests.scheduler.fleet import LLAMA, STORE
from tests.scheduler.rows import add_host, add_jobs, add_model, add_run, lead, states


def look(database: Database, reader: Reader | None = None, *, whole: bool = True) -> Snapshot:
    with database.read() as session:
        return (reader or Reader()).read(session, whole=whole)


def ids(seen: Snapshot) -> Sequence[str]:
    return [job.id for job in seen.jobs]


def test_an_empty_database_is_an_empty_snapshot(database: Database) -> None:
    seen = look(database)
    assert (seen.hosts, seen.runs, seen.jobs, seen.models, seen.lanes, seen.loads) == ({}, (), (), {}, {}, ())


def test_hosts_are_seen_with_their_living_runtimes(database: Database) -> None:
    with database.write() as session:
        add_host(session, "studio", 16)
        add_host(session, "silent", 8, seen_for=-1.0, draining=True, reserved_by="job")
    hosts = look(database).hosts
    assert hosts["studio"].runtimes == {"llama-cpp": LLAMA, "store": STORE}
    assert hosts["studio"].open
    assert not hosts["silent"].up
    assert hosts["silent"].reserved_by == "job"


def test_a_job_is_seen_with_its_model_and_where_that_is_installed(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_model(session, "unwanted", 4)
        [job_id] = add_jobs(session, slots=8, spec={"context": 1024}, host="studio")
    seen = look(database)
    assert ids(seen) == [job_id]
    assert seen.jobs[0].slots == 8
    assert seen.jobs[0].shape.spec == RunSpec(context=1024)
    assert set(seen.models) == {"qwen"}
    assert seen.models["qwen"].on("studio")


def test_jobs_of_equal_wish_share_one_shape(database: Database) -> None:
    with database.write() as session:
        add_jobs(session, 3)
        add_jobs(session, 1, rank=0)
    shapes = [job.shape for job in look(database).jobs]
    assert len({id(shape) for shape in shapes}) == 2
    assert shapes[0].rank == 0


def test_runs_that_live_or_hold_memory_are_seen_with_what_uses_them(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session, "ready")
        add_run(session, "lost", state=RunState.FAILED)
        add_run(session, "over", state=RunState.STOPPED, memory_held=0)
        add_jobs(session, 2, slots=2)
    fence = lead(database)
    decided = plan(look(database))
    with database.write() as session:
        apply(session, fence, decided, Timers())
    seen = look(database)
    assert {(run.id, run.held, run.attempts, run.used) for run in seen.runs} == {
        ("ready", 5 * GIB, 2, 4),
        ("lost", 5 * GIB, 0, 0),
    }
    assert seen.lanes == {("studio", "llama-cpp"): LaneView(2, 0)}
    assert not seen.jobs


def test_a_run_whose_last_use_lies_ahead_is_in_use_by_the_gateway(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_run(session, last_used_at=clock_time(session) + 4)
    assert look(database).runs[0].streaming


def test_a_run_outlives_its_owner_only_in_the_rows(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        [owner] = add_jobs(session)
        add_run(session, "queued again", owner_job=owner)
        add_run(session, "pruned", owner_job="gone")
    assert [run.owner_live for run in look(database).runs] == [False, False]


def test_failed_loads_of_wanted_models_are_seen_newest_first(database: Database) -> None:
    problem = UnsupportedModel("no").problem
    with database.write() as session:
        add_host(session)
        add_jobs(session)
        moment = clock_time(session)
        for name, age, ready_at in (("old", -1, None), ("new", -5, None), ("ran", -3, moment), ("before", 5, None)):
            add_run(
                session, name, state=RunState.FAILED, memory_held=0, ended_at=moment - age, ready_at=ready_at,
                error=problem.model_dump(),
            )  # fmt: skip
    assert [load.problem for load in look(database).loads] == [problem, None, problem]


def test_a_job_that_is_not_due_or_is_cancelled_is_not_seen(database: Database) -> None:
    with database.write() as session:
        later, cancelled, due = add_jobs(session, 3)
        session.execute(update(Job).where(Job.id == later).values(not_before=clock_time(session) + 60))
        cancel(session, cancelled)
    assert ids(look(database)) == [due]


def test_newer_jobs_are_seen_without_reading_the_queue_anew(database: Database) -> None:
    reader = Reader()
    with database.write() as session:
        first = add_jobs(session, 3)
    look(database, reader)
    reader.waiting.forget(first[:1])
    with database.write() as session:
        newer = add_jobs(session, 2, rank=0)
    assert set(ids(look(database, reader, whole=False))) >= {*first[1:], *newer}


def test_a_job_that_came_back_is_seen_by_the_next_whole_look(database: Database) -> None:
    reader = Reader()
    with database.write() as session:
        [job_id] = add_jobs(session)
        session.execute(update(Job).values(queued_at=Job.queued_at - 10))
    look(database, reader)
    reader.waiting.forget([job_id])
    assert ids(look(database, reader, whole=False)) == []
    assert ids(look(database, reader, whole=True)) == [job_id]


def test_a_long_queue_is_seen_from_its_front_and_hides_no_other_kind_of_work(database: Database) -> None:
    reader = Reader()
    with database.write() as session:
        many = add_jobs(session, WINDOW + 10, model_id="blocked")
        [other] = add_jobs(session, 1, rank=4, model_id="other")
    seen = look(database, reader)
    assert ids(seen) == [*many[:WINDOW], other]
    assert reader.waiting.overflow == (2, seen.jobs[0].queued_at, many[WINDOW - 1])
    assert ids(look(database, reader, whole=False)) == [*many[:FEW], other]
    reader.waiting.forget(many[:-50])
    assert ids(look(database, reader, whole=False)) == [*many[:FEW], other], "the window was read anew"


def test_runs_over_long_ago_are_not_read(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        for number in range(20):
            add_run(session, f"r{number}", state=RunState.STOPPED, memory_held=0)
        session.execute(update(Run).values(ended_at=1.0))
    assert look(database).runs == ()


def test_a_long_queue_hides_no_share_and_no_class(database: Database) -> None:
    with database.write() as session:
        add_jobs(session, WINDOW + 10, queue="key:greedy")
        shares = [add_jobs(session, 1, queue=f"key:k{number}")[0] for number in range(3)]
        patient = add_jobs(session, 1, rank=4, queue="key:greedy")
    seen = set(ids(look(database)))
    assert {*shares, *patient} <= seen


def test_parts_of_the_queue_are_seen_with_their_jobs_at_work_where_a_limit_asks_for_it(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session)
        add_jobs(session, owner="k1", queue="key:k1", labels={"team": "a"})
        queues.put(session, "label:team=a", {"max_running": 2})
        queues.put(session, "key:k1", {"weight": 3.0})
        queues.pause(session, "kind:download")
    fence, decided = lead(database), plan(look(database))
    with database.write() as session:
        apply(session, fence, decided, Timers())
    seen = look(database).queues
    assert (seen["label:team=a"].max_running, seen["label:team=a"].running) == (2, 1)
    assert seen["key:k1"].weight == 3.0
    assert seen["kind:download"].paused


def test_a_shape_knows_its_placement_and_the_parts_that_have_a_row(database: Database) -> None:
    wish = {"selector": {"room": "cellar"}, "tolerations": ["gpu"], "avoid": "team=a"}
    with database.write() as session:
        add_jobs(session, 2, owner="k1", queue="key:k1", labels={"team": "a", "x": "1"}, placement=wish, deadline=9e9)
        queues.put(session, "label:team=a", {})
    first, second = look(database).jobs
    assert first.shape is second.shape
    assert first.deadline == 9e9
    shape = first.shape
    assert (shape.selector, shape.tolerations, shape.avoid) == ((("room", "cellar"),), ("gpu",), "team=a")
    assert (shape.kind, shape.queue, shape.parts) == ("inference", "key:k1", ("label:team=a",))


def test_hosts_are_seen_with_their_marks_and_the_work_to_keep_off(database: Database) -> None:
    with database.write() as session:
        add_host(
            session, labels={"room": "cellar"}, taints=["gpu=no"], maintenance="fan",
            telemetry={"thermal": "fair", "cpu_percent": 50.0},
        )  # fmt: skip
        add_model(session, "qwen", 4, "studio")
        add_run(session)
        add_jobs(session, 2, labels={"team": "a"}, placement={"avoid": "team=a"})
    fence = lead(database)
    with database.read() as session:
        placement = Placement(next(iter(states(session))), "studio", "llama-cpp", "run", 1)
    with database.write() as session:
        jobs.assign(session, fence, [placement], Timers())
    host = look(database).hosts["studio"]
    assert (dict(host.labels), host.taints, host.maintenance) == ({"room": "cellar"}, ("gpu=no",), "fan")
    assert (host.thermal, host.load, host.apart) == ("fair", 0.5, frozenset({"team=a"}))


def test_live_attempts_are_seen_with_what_preemption_asks(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session)
        [job_id] = add_jobs(session, rank=4, preemptible=True)
    fence = lead(database)
    with database.write() as session:
        jobs.assign(session, fence, [Placement(job_id, "studio", "llama-cpp", "run", 2)], Timers())
    [seen] = look(database).attempts
    assert (seen.job_id, seen.attempt, seen.run_id, seen.slots) == (job_id, 1, "run", 2)
    assert (seen.rank, seen.preemptible, seen.giving_way, seen.preemptions) == (4, True, False, 0)


def test_rates_are_the_medians_of_what_was_measured(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_run(session, load_seconds=12.0)
        done = add_jobs(session, 3)
        for job_id, seconds in zip(done, (1.0, 4.0, 30.0), strict=True):
            attempt = {"job_id": job_id, "number": 1, "state": "succeeded", "host": "studio", "runtime": "llama-cpp"}
            times = {"assigned_at": 0.0, "started_at": 100.0, "ended_at": 100.0 + seconds, "epoch": 1}
            session.execute(insert(Attempt), [{**attempt, **times}])
        session.execute(update(Job).values(state=JobState.SUCCEEDED, attempt=1, result_attempt=1))
    assert look(database).rates == {("qwen", "llama-cpp"): Rate(job=4.0, load=12.0)}


def test_a_job_that_cannot_be_read_hides_no_other(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        [odd, good] = add_jobs(session, 2)
        session.execute(update(Job).where(Job.id == odd).values(spec={"context": 1}))
    reader = Reader()
    assert [ids(look(database, reader)) for _ in range(2)] == [[good], [good]]
    assert ids(look(database, reader, whole=False)) == [good]


def test_a_run_whose_wishes_cannot_be_read_holds_its_memory_all_the_same(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session, spec={"context": 1})
    [run] = look(database).runs
    assert (run.spec, run.held) == (RunSpec(), 5 * GIB)
