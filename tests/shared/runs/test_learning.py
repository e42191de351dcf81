"""When a run teaches, and what is kept of it: on both databases."""

from __future__ import annotations

from itertools import permutations
from math import ceil
from typing import Any

import pytest

from shared.errors import Problem
from shared.memory import Need
from shared.protocol import RunEvent, RunRef, RunStatus
from shared.runs import learning, service
from shared.runs import state as runs
from shared.runs.learned import HEADROOM, LearnedPeak, Load, correct
from shared.runs.state import RunPlacement
from shared.runtimes import Endpoint
from shared.tables import HostRuntime, Learned, Model, Run
from shared.units import Bytes
from tests.fleet import HOST, RUN, TIMERS, WORKER, Fleet

OUT_OF_MEMORY = Problem(code="out_of_memory", what="The run ran out of memory", crash=True, details={"exit_code": -6})
NEED = 1000


@pytest.fixture(autouse=True)
def _fleet(fleet: Fleet) -> None:
    fleet.add_host(budget=10**12)
    with fleet.write() as session:
        session.add(HostRuntime(host=HOST, name="llama-cpp", info={"version": "1"}, alive=True))
    add_model(fleet, "model", "gguf")


def add_model(fleet: Fleet, model_id: str, packed: str) -> None:
    with fleet.write() as session:
        session.add(
            Model(
                id=model_id, name=model_id, provider="local", repo=model_id, format=packed, size=1, created_at=fleet.now
            )
        )


def start(fleet: Fleet, run_id: str = RUN, *, need: int = NEED, correction: int = 0, **more: Any) -> None:
    """A run that a worker has begun to load, with 4,000 tokens for each of 2 slots."""
    fleet.create_run(run_id, **more)
    placement = RunPlacement(run_id, HOST, "llama-cpp", 2, 4000, need, {"correction": correction})
    assert fleet.do(runs.place, fleet.fence, [placement], TIMERS)
    assert fleet.tend(run_id) == "start"


def ready(fleet: Fleet, run_id: str = RUN, *, peak: int | None = 100, used: bool = True, **more: Any) -> None:
    start(fleet, run_id, **more)
    endpoint = Endpoint(url="http://127.0.0.1:1", served_name="m", slots=2, context=4000)
    assert fleet.report(RunEvent.READY, run_id, endpoint=endpoint, peak=peak)
    if used:
        fleet.wait(1)
        with fleet.write() as session:
            session.get_one(Run, run_id).last_used_at = fleet.now


def known(fleet: Fleet, model_id: str = "model") -> tuple[LearnedPeak, ...]:
    with fleet.database.read() as session:
        return learning.read_peaks(session.connection(), [model_id]).get(model_id, ())


def the(fleet: Fleet) -> LearnedPeak:
    (only,) = known(fleet)
    return only


def test_a_run_that_was_used_teaches_its_peak_when_it_ends(fleet: Fleet) -> None:
    ready(fleet)
    fleet.report(RunEvent.STOPPED, peak=800)
    assert the(fleet) == LearnedPeak("llama-cpp", "1", 4096, 2, "", peak=800, estimate=NEED, samples=1, busy=1)


def test_a_run_that_nobody_used_teaches_nothing(fleet: Fleet) -> None:
    ready(fleet, used=False)
    fleet.report(RunEvent.STOPPED, peak=800)
    assert known(fleet) == ()


def test_a_run_beyond_its_estimate_teaches_although_nobody_used_it(fleet: Fleet) -> None:
    ready(fleet, used=False, peak=1200)
    assert the(fleet).peak == 1200


def test_a_run_that_was_never_measured_teaches_nothing(fleet: Fleet) -> None:
    ready(fleet, peak=None)
    fleet.report(RunEvent.STOPPED)
    assert known(fleet) == ()


def test_a_higher_peak_counts_at_once_and_a_lower_one_when_the_run_is_over(fleet: Fleet) -> None:
    ready(fleet)
    fleet.do(runs.keep_alive, HOST, [status(800)], TIMERS.lease)
    assert known(fleet) == ()
    fleet.do(runs.keep_alive, HOST, [status(1100)], TIMERS.lease)
    assert (the(fleet).peak, the(fleet).samples) == (1100, 0)
    fleet.report(RunEvent.STOPPED, peak=1150)
    assert (the(fleet).peak, the(fleet).samples) == (1150, 1)


def status(peak: int, busy: int | None = None) -> RunStatus:
    return RunStatus(run_id=RUN, generation=1, worker=WORKER, memory=peak - 10, peak=peak, busy=busy)


def test_a_run_whose_process_is_gone_teaches_what_was_last_heard_of_it(fleet: Fleet) -> None:
    ready(fleet)
    fleet.do(runs.keep_alive, HOST, [status(900)], TIMERS.lease)
    fleet.do(runs.confirm_dead, HOST, [RunRef(run_id=RUN, generation=1)])
    assert the(fleet).peak == 900


def test_the_estimate_kept_is_the_one_before_its_correction(fleet: Fleet) -> None:
    ready(fleet, need=1300, correction=300)
    fleet.report(RunEvent.STOPPED, peak=1250)
    assert (the(fleet).peak, the(fleet).estimate) == (1250, 1000)


def test_the_order_in_which_runs_end_does_not_matter(fleet: Fleet) -> None:
    results = []
    for attempt, order in enumerate(permutations([(800, 1000), (950, 1000), (1000, 1300)])):
        add_model(fleet, f"model-{attempt}", "gguf")
        for number, (peak, need) in enumerate(order):
            run_id = f"run-{attempt}-{number}"
            ready(fleet, run_id, need=need, model_id=f"model-{attempt}")
            fleet.report(RunEvent.STOPPED, run_id, peak=peak)
        results.append(known(fleet, f"model-{attempt}"))
    assert len(set(results)) == 1
    assert (results[0][0].peak, results[0][0].estimate, results[0][0].samples) == (950, 1000, 3)


def test_parameters_that_change_memory_are_learned_apart(fleet: Fleet) -> None:
    for run_id, params in (("a", {}), ("b", {"cache_type_k": "q8_0"}), ("c", {"threads": 2})):
        ready(fleet, run_id, spec={"params": params})
        fleet.report(RunEvent.STOPPED, run_id, peak=800)
    assert sorted((peak.params == "", peak.samples) for peak in known(fleet)) == [(False, 1), (True, 2)]


def test_the_echo_model_holds_what_it_is_told_and_teaches_nothing(fleet: Fleet) -> None:
    add_model(fleet, "scripted", "echo")
    ready(fleet, model_id="scripted", peak=5000)
    fleet.report(RunEvent.STOPPED, peak=5000)
    assert known(fleet, "scripted") == ()


def test_a_model_that_left_the_catalog_teaches_nothing(fleet: Fleet) -> None:
    ready(fleet, model_id="gone")
    assert fleet.report(RunEvent.STOPPED, peak=800)


# --- slots at work ---


def next_need(fleet: Fleet) -> int:
    estimate = Need(Bytes(NEED), Bytes(0), Bytes(0), Bytes(0))
    return correct(estimate, Load("llama-cpp", "1", 4000, 2), known(fleet)).total


def test_a_run_with_an_idle_slot_never_lowers_the_next_need(fleet: Fleet) -> None:
    ready(fleet)
    fleet.do(runs.keep_alive, HOST, [status(800, busy=1)], TIMERS.lease)
    fleet.report(RunEvent.STOPPED, peak=950)
    assert (the(fleet).busy, next_need(fleet)) == (1, NEED)


def test_a_run_with_all_slots_at_work_lowers_the_next_need(fleet: Fleet) -> None:
    ready(fleet)
    for busy in (1, 2, 0):
        fleet.do(runs.keep_alive, HOST, [status(800, busy=busy)], TIMERS.lease)
    fleet.report(RunEvent.STOPPED, peak=950)
    assert (the(fleet).busy, next_need(fleet)) == (2, 969)


def test_people_take_slots_as_jobs_do(fleet: Fleet) -> None:
    ready(fleet)
    with fleet.write() as session:
        service.attend(session, {RUN: 2})
    fleet.do(runs.keep_alive, HOST, [status(800, busy=1)], TIMERS.lease)
    fleet.report(RunEvent.STOPPED, peak=800)
    assert the(fleet).busy == 2


def test_a_place_kept_for_who_comes_next_is_not_at_work(fleet: Fleet) -> None:
    ready(fleet)
    with fleet.write() as session:
        service.attend(session, {RUN: 1})
    fleet.do(runs.keep_alive, HOST, [status(800)], TIMERS.lease)
    with fleet.database.read() as session:
        assert session.get_one(Run, RUN).busy_most == 0


def test_once_all_slots_were_at_work_an_idler_run_does_not_unlearn_it(fleet: Fleet) -> None:
    for run_id, busy in (("a", 2), ("b", 1)):
        ready(fleet, run_id)
        said = RunStatus(run_id=run_id, generation=1, worker=WORKER, memory=1, peak=700, busy=busy)
        fleet.do(runs.keep_alive, HOST, [said], TIMERS.lease)
        fleet.report(RunEvent.STOPPED, run_id, peak=700)
    assert (the(fleet).busy, the(fleet).samples, next_need(fleet)) == (2, 2, 900)


# --- out of memory ---


def test_a_death_for_lack_of_memory_raises_the_next_need_at_once(fleet: Fleet) -> None:
    start(fleet)
    fleet.report(RunEvent.FAILED, error=OUT_OF_MEMORY, peak=400)
    assert the(fleet).out_of_memory
    assert next_need(fleet) >= 1.25 * NEED


def test_each_death_asks_for_more_than_the_last_one_held(fleet: Fleet) -> None:
    held = NEED
    for number in range(3):
        start(fleet, f"run-{number}", need=held, correction=held - NEED)
        fleet.report(RunEvent.FAILED, f"run-{number}", error=OUT_OF_MEMORY)
        assert next_need(fleet) >= 1.25 * held
        held = next_need(fleet)


def test_deaths_alone_never_raise_a_need_without_bound(fleet: Fleet) -> None:
    for number in range(12):
        need = next_need(fleet)
        start(fleet, f"run-{number}", need=need, correction=need - NEED)
        fleet.report(RunEvent.FAILED, f"run-{number}", error=OUT_OF_MEMORY)
    assert next_need(fleet) == ceil(HEADROOM * learning.MOST_AFTER_DEATHS * NEED)


def test_even_the_echo_model_teaches_that_it_died_for_lack_of_memory(fleet: Fleet) -> None:
    add_model(fleet, "scripted", "echo")
    start(fleet, model_id="scripted")
    fleet.report(RunEvent.FAILED, error=OUT_OF_MEMORY)
    assert [peak.out_of_memory for peak in known(fleet, "scripted")] == [True]


def test_a_run_that_was_being_stopped_did_not_die(fleet: Fleet) -> None:
    ready(fleet)
    fleet.do(runs.request_stop, RUN, "no longer wanted")
    fleet.report(RunEvent.FAILED, error=OUT_OF_MEMORY, peak=800)
    assert not the(fleet).out_of_memory


# --- forgetting ---


def test_versions_that_no_host_offers_any_more_are_forgotten(fleet: Fleet) -> None:
    for run_id, version in (("a", "1"), ("b", "2")):
        offer(fleet, version)
        ready(fleet, run_id)
        fleet.report(RunEvent.STOPPED, run_id, peak=800)
    assert fleet.do(learning.forget_versions) == 1
    assert [peak.version for peak in known(fleet)] == ["2"]
    assert fleet.do(learning.forget_versions) == 0


def offer(fleet: Fleet, version: str) -> None:
    with fleet.write() as session:
        session.get_one(HostRuntime, (HOST, "llama-cpp")).info = {"version": version}


def test_what_was_learned_of_a_model_goes_with_it(fleet: Fleet) -> None:
    ready(fleet)
    fleet.report(RunEvent.STOPPED, peak=800)
    with fleet.write() as session:
        session.delete(session.get_one(Model, "model"))
    with fleet.database.read() as session:
        assert session.query(Learned).count() == 0


def test_the_mark_changes_with_each_lesson(fleet: Fleet) -> None:
    marks = [mark(fleet)]
    for number in range(2):
        ready(fleet, f"run-{number}")
        fleet.report(RunEvent.STOPPED, f"run-{number}", peak=800)
        marks.append(mark(fleet))
    offer(fleet, "2")
    fleet.do(learning.forget_versions)
    marks.append(mark(fleet))
    assert len(set(marks[:3])) == 3
    assert marks[3] != marks[2]


def mark(fleet: Fleet) -> tuple[Any, ...]:
    with fleet.database.read() as session:
        return learning.learned_mark(session.connection())
