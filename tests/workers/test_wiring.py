"""A run asks its agent what it may wire, and starts without wiring when nobody answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from shared.protocol import RunRef
from shared.runtimes import LaunchPlan
from shared.units import Bytes
from tests.waiting import eventually
from workers.launch.wired import VARIABLE
from workers.pipe import Wired
from workers.wiring import WiringDesk

_REF = RunRef(run_id="run", generation=1)


def _plan(weights: int) -> LaunchPlan:
    return LaunchPlan(
        command=("engine",),
        environment={"A": "1"},
        port=1,
        served_name="m",
        slots=1,
        context=16,
        weights=Bytes(weights),
    )


def test_an_engine_that_wires_nothing_is_not_asked_about() -> None:
    told: list[bool] = []
    assert WiringDesk(lambda: told.append(True)).allowed(_plan(0), _REF) == _plan(0)
    assert told == []


def test_the_answer_reaches_the_process_that_asked() -> None:
    desk = WiringDesk(lambda: None)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(desk.allowed, _plan(70), _REF, patience=60)
        eventually(lambda: len(desk.wishes()) == 1)
        assert desk.wishes()[0].weights == 70
        desk.answer(Wired(run_id="other", generation=1, wired=5))
        desk.answer(Wired(run_id="run", generation=1, wired=60))
        assert asked.result(60).environment == {"A": "1", VARIABLE: "60"}
    assert desk.wishes() == []


def test_silence_means_no() -> None:
    desk = WiringDesk(lambda: None)
    assert desk.allowed(_plan(70), _REF, patience=0.01).environment[VARIABLE] == "0"
    desk.answer(Wired(run_id="run", generation=1, wired=60))
    assert desk.allowed(_plan(70), _REF, patience=0.01).environment[VARIABLE] == "0", "a late answer is forgotten"
