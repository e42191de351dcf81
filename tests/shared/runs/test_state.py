"""Every transition of a run, with every guard, on both databases: above all, when its memory is held and when not."""

from __future__ import annotations

import pytest

from shared.errors import NotFound, Problem, StaleTransition
from shared.jobs import state as jobs
from shared.leader import Fence
from shared.protocol import RunEvent, RunRef, RunStatus
from shared.runs import state as runs
from shared.runs.state import RunPlacement
from shared.runtimes import Endpoint
from tests.fleet import HOST, RUN, TIMERS, WORKER, Fleet

FIRST = RunRef(run_id=RUN, generation=1)
BROKEN = Problem(code="out_of_memory", what="The model does not fit", crash=True)


@pytest.fixture(autouse=True)
def _host(fleet: Fleet) -> None:
    fleet.add_host()


def held(fleet: Fleet) -> int:
    return fleet.run().memory_held


# --- place ---


def test_a_placed_run_holds_its_memory_before_anybody_loads_it(fleet: Fleet) -> None:
    fleet.create_run()
    assert fleet.place(need=40)
    run = fleet.run()
    assert (run.state, run.host, run.generation, run.memory_held) == ("pending", HOST, 1, 40)
    assert (run.publish_at, run.claim_by) == (fleet.now + 3, fleet.now + TIMERS.claim)


def test_a_run_is_placed_once(fleet: Fleet) -> None:
    fleet.create_run()
    assert fleet.place()
    assert not fleet.place()
    fleet.tend()
    assert not fleet.place()
    assert fleet.run().generation == 1


def test_the_memory_held_never_exceeds_the_budget(fleet: Fleet) -> None:
    for run_id in ("one", "two", "three"):
        fleet.create_run(run_id)
    placements = [RunPlacement(i, HOST, "echo", 1, 512, 60, {}) for i in ("one", "two")]
    assert [m.run_id for m in fleet.do(runs.place, fleet.fence, placements, TIMERS)] == ["one"]
    assert not fleet.place("three", need=41)
    assert fleet.place("three", need=40)


def test_nothing_is_placed_on_a_host_that_is_not_known(fleet: Fleet) -> None:
    fleet.create_run()
    assert not fleet.place(host="nowhere")


def test_a_scheduler_that_leads_no_more_changes_nothing(fleet: Fleet) -> None:
    fleet.create_run()
    old = Fence("scheduler-0", 1)
    for change in (
        lambda: fleet.do(runs.place, old, [RunPlacement(RUN, HOST, "echo", 1, 1, 1, {})], TIMERS),
        lambda: fleet.do(runs.evict, old, [RUN], "room"),
        lambda: fleet.do(runs.rescue, old),
        lambda: fleet.do(runs.due_messages, old),
        lambda: fleet.do(runs.block, old, {RUN: {"code": "x"}}),
    ):
        with pytest.raises(StaleTransition):
            change()


def test_a_run_no_worker_takes_is_free_to_be_placed_elsewhere(fleet: Fleet) -> None:
    fleet.add_host("mini")
    fleet.create_run()
    fleet.place()
    fleet.wait(TIMERS.claim - 0.1)
    assert fleet.do(runs.rescue, fleet.fence) == []
    fleet.wait(0.1)
    assert fleet.do(runs.rescue, fleet.fence) == [RUN]
    assert (fleet.run().state, fleet.run().host, held(fleet)) == ("pending", None, 0)
    assert fleet.place(host="mini")
    assert fleet.tend() == "nothing"
    assert fleet.tend(host="mini") == "nothing"
    assert fleet.tend(host="mini", generation=2) == "start"


def test_a_hint_that_nobody_took_is_sent_again(fleet: Fleet) -> None:
    fleet.create_run()
    fleet.place()
    assert fleet.do(runs.due_messages, fleet.fence) == []
    fleet.wait(3)
    assert [(m.run_id, m.generation, m.lane) for m in fleet.do(runs.due_messages, fleet.fence)] == [
        (RUN, 1, "studio.echo")
    ]
    assert fleet.do(runs.due_messages, fleet.fence) == []
    fleet.wait(3)
    fleet.tend()
    assert fleet.do(runs.due_messages, fleet.fence) == []


def test_a_waiting_run_keeps_why_it_waits(fleet: Fleet) -> None:
    fleet.create_run()
    fleet.do(runs.block, fleet.fence, {RUN: {"code": "no_memory"}})
    assert fleet.run().blocked_by == {"code": "no_memory"}
    fleet.place()
    assert fleet.run().blocked_by is None


# --- tend and report ---


def test_one_worker_is_told_to_start_a_run_once(fleet: Fleet) -> None:
    fleet.create_run()
    assert fleet.tend() == "nothing"
    fleet.place()
    assert fleet.tend() == "start"
    assert fleet.tend() == "nothing"
    assert fleet.tend(worker="worker-2") == "nothing"
    run = fleet.run()
    assert (run.state, run.worker, run.lease_until) == ("starting", WORKER, fleet.now + TIMERS.lease)


@pytest.mark.parametrize(
    ("generation", "host"),
    [pytest.param(2, HOST, id="another load"), pytest.param(1, "other", id="another host")],
)
def test_nobody_else_is_told_to_start(fleet: Fleet, generation: int, host: str) -> None:
    fleet.create_run()
    fleet.place()
    assert fleet.tend(generation=generation, host=host) == "nothing"
    assert fleet.tend("no-such-run") == "nothing"


def test_a_loaded_run_is_ready_with_the_slots_it_really_has(fleet: Fleet) -> None:
    fleet.create_run()
    fleet.place(slots=4)
    fleet.tend()
    endpoint = Endpoint(url="http://127.0.0.1:1", served_name="m", slots=3, context=256)
    assert fleet.report(RunEvent.READY, endpoint=endpoint, pid=7, memory=30, peak=35, load_seconds=1.5)
    run = fleet.run()
    assert (run.state, run.slots, run.context, run.pid, run.memory_peak) == ("ready", 3, 256, 7, 35)
    assert run.endpoint == endpoint.model_dump()


def test_saying_that_it_is_ready_twice_is_harmless(fleet: Fleet) -> None:
    fleet.ready_run()
    events = fleet.events()
    assert fleet.report(RunEvent.READY)
    assert fleet.events() == events


@pytest.mark.parametrize(
    ("worker", "host", "generation"),
    [
        pytest.param("worker-2", HOST, 1, id="another worker"),
        pytest.param(WORKER, "other", 1, id="another host"),
        pytest.param(WORKER, HOST, 2, id="another load"),
    ],
)
def test_only_the_worker_that_loads_a_run_is_heard(fleet: Fleet, worker: str, host: str, generation: int) -> None:
    fleet.create_run()
    fleet.place()
    fleet.tend()
    for event in RunEvent:
        assert not fleet.report(event, worker=worker, host=host, generation=generation)
    assert (fleet.run().state, held(fleet)) == ("starting", 40)


def test_a_run_that_dies_fails_and_frees_its_memory(fleet: Fleet) -> None:
    fleet.ready_run()
    assert fleet.report(RunEvent.FAILED, error=BROKEN)
    run = fleet.run()
    assert (run.state, run.memory_held, run.error, run.endpoint) == ("failed", 0, BROKEN.model_dump(), None)
    assert fleet.report(RunEvent.FAILED, error=BROKEN)
    assert fleet.events().count("run.failed") == 1


def test_a_ready_report_that_comes_too_late_is_refused(fleet: Fleet) -> None:
    fleet.create_run()
    fleet.place()
    fleet.tend()
    fleet.wait(TIMERS.lease)
    fleet.do(runs.rescue, fleet.fence)
    assert not fleet.report(RunEvent.READY)
    assert fleet.run().state == "failed"


# --- stop ---


def test_a_run_that_waits_is_stopped_at_once(fleet: Fleet) -> None:
    fleet.create_run()
    fleet.place()
    assert fleet.do(runs.request_stop, RUN, "not wanted") == "stopped"
    assert (fleet.run().stop_reason, held(fleet)) == ("not wanted", 0)
    assert fleet.tend() == "nothing"


def test_a_run_that_is_loaded_is_asked_to_stop_and_holds_its_memory_until_it_has(fleet: Fleet) -> None:
    fleet.ready_run()
    assert fleet.do(runs.request_stop, RUN, "not wanted") == "stopping"
    assert fleet.do(runs.request_stop, RUN, "again") == "stopping"
    assert [m.run_id for m in fleet.do(runs.due_messages, fleet.fence)] == [RUN]
    assert fleet.tend(worker="worker-2") == "nothing"
    assert fleet.tend() == "stop"
    assert held(fleet) == 40
    assert fleet.report(RunEvent.STOPPED)
    assert (fleet.run().state, fleet.run().stop_reason, held(fleet)) == ("stopped", "not wanted", 0)
    assert fleet.do(runs.request_stop, RUN, "too late") == "stopped"


def test_a_run_that_was_to_stop_and_died_has_stopped(fleet: Fleet) -> None:
    fleet.ready_run()
    fleet.do(runs.request_stop, RUN, "not wanted")
    fleet.report(RunEvent.FAILED, error=BROKEN)
    assert (fleet.run().state, fleet.run().error) == ("stopped", None)


def test_an_unknown_run_cannot_be_stopped(fleet: Fleet) -> None:
    with pytest.raises(NotFound):
        fleet.do(runs.request_stop, "no-such-run", "why")


def test_an_idle_run_is_evicted_a_busy_one_never(fleet: Fleet) -> None:
    fleet.ready_run("idle")
    fleet.ready_run("busy")
    fleet.submit()
    fleet.assign(run_id="busy")
    told = fleet.do(runs.evict, fleet.fence, ["idle", "busy"], "room is needed")
    assert [(m.run_id, m.lane) for m in told] == [("idle", "studio.echo")]
    assert (fleet.run("idle").state, fleet.run("busy").state) == ("stopping", "ready")
    fleet.do(jobs.cancel, "job")
    assert fleet.do(runs.evict, fleet.fence, ["busy"], "room is needed")


def test_what_is_over_or_waits_is_not_evicted(fleet: Fleet) -> None:
    fleet.create_run()
    assert fleet.do(runs.evict, fleet.fence, [RUN], "room") == []
    fleet.do(runs.request_stop, RUN, "not wanted")
    assert fleet.do(runs.evict, fleet.fence, [RUN], "room") == []


# --- leases, deaths and memory ---


def test_a_sync_extends_the_lease_and_keeps_what_is_measured(fleet: Fleet) -> None:
    fleet.ready_run()
    fleet.wait(6)
    status = RunStatus(run_id=RUN, generation=1, worker=WORKER, memory=33, peak=50)
    assert fleet.do(runs.keep_alive, HOST, [status], TIMERS.lease) == {FIRST}
    run = fleet.run()
    assert (run.lease_until, run.memory_used, run.memory_peak) == (fleet.now + TIMERS.lease, 33, 50)


def test_the_peak_never_sinks(fleet: Fleet) -> None:
    fleet.ready_run()
    for memory, peak in ((33, 50), (20, 40), (10, None)):
        status = RunStatus(run_id=RUN, generation=1, worker=WORKER, memory=memory, peak=peak)
        fleet.do(runs.keep_alive, HOST, [status], TIMERS.lease)
    assert (fleet.run().memory_used, fleet.run().memory_peak) == (10, 50)


@pytest.mark.parametrize(("host", "generation"), [("other", 1), (HOST, 2)])
def test_a_sync_keeps_no_load_that_is_not_its_own(fleet: Fleet, host: str, generation: int) -> None:
    fleet.ready_run()
    status = RunStatus(run_id=RUN, generation=generation, worker=WORKER, memory=1)
    assert fleet.do(runs.keep_alive, host, [status], TIMERS.lease) == set()
    assert fleet.run().memory_used is None


def test_a_lost_run_holds_its_memory_until_its_host_says_that_it_is_gone(fleet: Fleet) -> None:
    fleet.ready_run()
    fleet.wait(TIMERS.lease - 0.1)
    assert fleet.do(runs.rescue, fleet.fence) == []
    fleet.wait(0.1)
    assert fleet.do(runs.rescue, fleet.fence) == [RUN]
    assert (fleet.run().state, held(fleet)) == ("failed", 40)
    assert fleet.do(runs.lingering, HOST) == [FIRST]
    fleet.create_run("next")
    assert not fleet.place("next", need=61)
    fleet.do(runs.confirm_dead, "other", [FIRST])
    assert held(fleet) == 40
    fleet.do(runs.confirm_dead, HOST, [FIRST])
    assert held(fleet) == 0
    assert fleet.do(runs.lingering, HOST) == []
    assert fleet.place("next", need=61)


def test_a_lost_run_whose_worker_comes_back_and_ends_it_frees_its_memory(fleet: Fleet) -> None:
    fleet.ready_run()
    fleet.wait(TIMERS.lease)
    fleet.do(runs.rescue, fleet.fence)
    assert not fleet.report(RunEvent.STOPPED, worker="worker-2")
    assert held(fleet) == 40
    assert fleet.report(RunEvent.STOPPED)
    assert (fleet.run().state, held(fleet)) == ("failed", 0)


def test_a_confirmed_death_fails_a_run_that_counted_on_the_process(fleet: Fleet) -> None:
    fleet.ready_run()
    fleet.do(runs.confirm_dead, HOST, [FIRST])
    run = fleet.run()
    assert (run.state, run.memory_held, (run.error or {})["code"]) == ("failed", 0, "run_died")


def test_the_death_of_an_older_load_concerns_nobody(fleet: Fleet) -> None:
    fleet.create_run()
    fleet.place()
    fleet.wait(TIMERS.claim)
    fleet.do(runs.rescue, fleet.fence)
    fleet.place()
    fleet.do(runs.confirm_dead, HOST, [FIRST])
    assert fleet.tend(generation=2) == "start"
    fleet.do(runs.confirm_dead, HOST, [FIRST])
    assert (fleet.run().state, held(fleet)) == ("starting", 40)


def test_a_host_that_starts_anew_has_only_what_it_names(fleet: Fleet) -> None:
    for run_id in ("named", "gone", "stopping", "lost", "placed"):
        fleet.create_run(run_id)
        fleet.place(run_id, need=10)
    for run_id in ("named", "gone", "stopping", "lost"):
        fleet.tend(run_id)
    fleet.do(runs.request_stop, "stopping", "not wanted")
    fleet.do(runs.only_alive, HOST, [RunRef(run_id="named", generation=1)])
    states = {i: (fleet.run(i).state, fleet.run(i).memory_held) for i in ("named", "gone", "stopping", "placed")}
    assert states == {
        "named": ("starting", 10),
        "gone": ("failed", 0),
        "stopping": ("stopped", 0),
        "placed": ("pending", 10),
    }


def test_the_end_of_an_attempt_is_a_use_of_its_run(fleet: Fleet) -> None:
    fleet.ready_run()
    fleet.submit()
    fleet.start(run_id=RUN)
    fleet.wait(5)
    fleet.finish()
    assert fleet.run().last_used_at == fleet.now
