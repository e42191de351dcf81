"""What bars a model from a host, and who lets it out: on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from shared import hosts
from shared.errors import NotFound, Problem
from shared.host_address import Origin
from shared.protocol import Register, RunEvent, RunRef
from shared.runs import quarantine
from shared.runs import state as runs
from shared.runs.quarantine import CRASH_WINDOW, CRASHES, SUSPECT
from shared.settings import Settings
from shared.tables import Model, Run
from tests.fleet import HOST, RUN, Fleet

PANIC = "the host panicked (watchdog timeout)"
CRASH = Problem(code="run_died", what="The process of the run ended", crash=True, details={"exit_code": -6})
BROKEN = Problem(code="unsupported_model", what="The file is damaged", details={"exit_code": 1})
LOST = Problem(code="run_died", what="The process is gone", crash=True)


@pytest.fixture(autouse=True)
def _fleet(fleet: Fleet) -> None:
    fleet.add_host()
    fleet.add_host("mini")
    with fleet.write() as session:
        for name, packed in (("model", "gguf"), ("other", "gguf"), ("scripted", "echo")):
            session.add(
                Model(id=name, name=name, provider="local", repo=name, format=packed, size=1, created_at=fleet.now)
            )
    register(fleet, "boot-1")


def register(fleet: Fleet, boot: str, unclean_end: str | None = None) -> None:
    said = Register(
        agent=f"agent of {boot}", boot_id=boot, version="1", platform="test", memory_total=200, budget=100,
        disk_free=1, runtimes=[], unclean_end=unclean_end,
    )  # fmt: skip
    fleet.do(hosts.register, HOST, said, Settings(), Origin("127.0.0.1"))


def start(fleet: Fleet, run_id: str = RUN, model: str = "model") -> None:
    fleet.create_run(run_id, model_id=model, model=model)
    assert fleet.place(run_id, need=10)
    assert fleet.tend(run_id) == "start"


def crash(fleet: Fleet, times: int, error: Problem = CRASH, model: str = "model") -> None:
    for number in range(times):
        start(fleet, f"run-{model}-{fleet.now}-{number}", model)
        fleet.report(RunEvent.FAILED, f"run-{model}-{fleet.now}-{number}", error=error)


def barred(fleet: Fleet) -> dict[str, dict[str, str]]:
    with fleet.database.read() as session:
        return quarantine.read_barred(session.connection(), ["model", "other", "scripted"])


# --- the host went down ---


def test_a_model_that_was_loading_when_its_host_panicked_is_barred_there(fleet: Fleet) -> None:
    start(fleet)
    register(fleet, "boot-2", PANIC)
    assert barred(fleet) == {"model": {HOST: f"{PANIC} while model was being loaded"}}
    assert "model.quarantined" in fleet.events()


def test_a_model_that_had_just_been_loaded_is_barred_too(fleet: Fleet) -> None:
    fleet.ready_run(need=10)
    register(fleet, "boot-2", PANIC)
    assert barred(fleet) == {"model": {HOST: f"{PANIC} while model had just been loaded"}}


def test_a_run_given_up_while_the_host_was_away_is_still_suspected(fleet: Fleet) -> None:
    fleet.ready_run(need=10)
    fleet.wait(60)
    assert fleet.do(runs.rescue, fleet.fence) == [RUN]
    register(fleet, "boot-2", PANIC)
    assert "model" in barred(fleet)


def test_a_model_that_had_run_well_for_long_is_not_suspected(fleet: Fleet) -> None:
    fleet.ready_run(need=10)
    fleet.wait(SUSPECT + 1)
    with fleet.write() as session:
        session.get_one(Run, RUN).lease_until = fleet.now
    register(fleet, "boot-2", PANIC)
    assert barred(fleet) == {}


def test_a_run_that_ended_before_the_panic_is_not_suspected(fleet: Fleet) -> None:
    fleet.ready_run(need=10)
    fleet.report(RunEvent.STOPPED)
    register(fleet, "boot-2", PANIC)
    assert barred(fleet) == {}


def test_a_run_that_no_worker_had_taken_is_not_suspected(fleet: Fleet) -> None:
    fleet.create_run()
    fleet.place(need=10)
    register(fleet, "boot-2", PANIC)
    assert barred(fleet) == {}


@pytest.mark.parametrize(
    ("boot", "how"), [("boot-2", None), ("boot-1", PANIC)], ids=["after a clean end", "in the same boot"]
)
def test_nothing_is_barred_when_the_host_did_not_go_down(fleet: Fleet, boot: str, how: str | None) -> None:
    start(fleet)
    register(fleet, boot, how)
    assert barred(fleet) == {}


# --- crashes ---


def test_a_model_that_crashes_again_and_again_is_barred_from_that_host_only(fleet: Fleet) -> None:
    crash(fleet, CRASHES - 1)
    assert barred(fleet) == {}
    crash(fleet, CRASHES - 1, model="other")
    fleet.wait(1)
    crash(fleet, 1)
    assert barred(fleet) == {
        "model": {HOST: "model crashed 5 times in 15 minutes; the last time: The process of the run ended"}
    }


def test_crashes_long_ago_do_not_count(fleet: Fleet) -> None:
    crash(fleet, CRASHES - 1)
    fleet.wait(CRASH_WINDOW)
    crash(fleet, CRASHES - 1)
    assert barred(fleet) == {}


@pytest.mark.parametrize("error", [BROKEN, LOST], ids=["a broken file", "a process lost with its worker"])
def test_what_is_no_crash_of_the_model_does_not_count(fleet: Fleet, error: Problem) -> None:
    crash(fleet, CRASHES, error)
    assert barred(fleet) == {}


def test_a_run_whose_process_its_host_ended_does_not_count(fleet: Fleet) -> None:
    crash(fleet, CRASHES - 1)
    start(fleet)
    fleet.do(runs.confirm_dead, HOST, [RunRef(run_id=RUN, generation=1)])
    fleet.wait(1)
    assert barred(fleet) == {}


def test_the_echo_model_crashes_as_told_and_is_never_barred(fleet: Fleet) -> None:
    crash(fleet, 2 * CRASHES, model="scripted")
    assert barred(fleet) == {}


def test_the_first_reason_stays(fleet: Fleet) -> None:
    crash(fleet, CRASHES)
    before = barred(fleet)
    fleet.wait(1)
    start(fleet)
    register(fleet, "boot-2", PANIC)
    assert barred(fleet) == before
    assert fleet.events().count("model.quarantined") == 1


# --- people ---


def test_a_barred_model_is_listed_and_let_out(fleet: Fleet) -> None:
    start(fleet)
    register(fleet, "boot-2", PANIC)
    marks = [mark(fleet)]
    with fleet.database.read() as session:
        (listed,) = quarantine.quarantines(session)
    assert (listed.model_id, listed.model, listed.host, listed.since) == ("model", "model", HOST, fleet.now)
    lift(fleet)
    assert barred(fleet) == {}
    assert fleet.events()[-1] == "model.released"
    assert mark(fleet) not in marks
    with pytest.raises(NotFound):
        lift(fleet)


def lift(fleet: Fleet) -> None:
    with fleet.write() as session:
        quarantine.lift(session, session.get_one(Model, "model"), HOST)


def mark(fleet: Fleet) -> tuple[Any, ...]:
    with fleet.database.read() as session:
        return quarantine.quarantine_mark(session.connection())
