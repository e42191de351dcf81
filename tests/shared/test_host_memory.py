"""What a host reports of its memory becomes its row: budget, ceiling, guard."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from shared import hosts
from shared.errors import CannotFit
from shared.fit import Fleet as Offers
from shared.host_address import Origin
from shared.protocol import Register, RunEvent, RunRef, RunStatus, Sync, Telemetry
from shared.runs import state as runs
from shared.runtimes import InstalledModel, ModelShape, RunSpec, RuntimeInfo
from shared.settings import load_settings
from shared.tables import Event
from shared.units import Bytes
from shared.vocabulary import Capability, Format, Guard
from tests.fleet import HOST, RUN, Fleet

_SETTINGS = load_settings()
_ENGINE = RuntimeInfo(name="engine", version="1", formats=(Format.ECHO,), capabilities=(Capability.GENERATE,))


def _register(fleet: Fleet) -> None:
    said = Register(
        agent="agent", boot_id="boot", version="1", platform="test", memory_total=200, budget=100, capacity=150,
        disk_free=1, runtimes=[_ENGINE],
    )  # fmt: skip
    fleet.do(hosts.register, HOST, said, _SETTINGS, Origin("127.0.0.1"))


@pytest.fixture(autouse=True)
def _host(fleet: Fleet) -> None:
    fleet.add_host(budget=100)
    _register(fleet)


def _sync(fleet: Fleet, budget: int = 100, **more: Any) -> None:
    telemetry = {name: more.pop(name) for name in Telemetry.model_fields if name in more}
    said = Sync(agent="agent", budget=budget, telemetry=Telemetry(**telemetry), **more)
    fleet.do(hosts.sync, HOST, said, _SETTINGS)


def test_ceiling_use_and_guard_are_kept_as_told(fleet: Fleet) -> None:
    _sync(fleet, capacity=160, ceiling=118, runs_memory=101, guard=Guard.CLOSED, guard_reason="runs use 86 %")
    host = fleet.host()
    assert (host.budget, host.capacity, host.ceiling, host.memory_used, host.guard) == (100, 160, 118, 101, "closed")
    assert host.telemetry["guard_reason"] == "runs use 86 %"


def test_an_agent_that_knows_no_guard_leaves_it_open(fleet: Fleet) -> None:
    _sync(fleet)
    host = fleet.host()
    assert (host.guard, host.capacity, host.ceiling) == ("open", 100, None)


def test_a_budget_that_sinks_stays_at_what_runs_hold_and_follows_when_they_go(fleet: Fleet) -> None:
    fleet.ready_run(need=80)
    _sync(fleet, budget=30)
    assert fleet.host().budget == 80
    fleet.create_run("late")
    assert not fleet.place("late", need=1)
    _sync(fleet, budget=30, dead_runs=[RunRef(run_id=RUN, generation=1)])
    _sync(fleet, budget=30)
    assert fleet.host().budget == 30


def test_each_turn_of_the_guard_is_told_once_with_its_numbers(fleet: Fleet) -> None:
    for guard in (Guard.OPEN, Guard.CLOSED, Guard.CLOSED, Guard.SHEDDING, Guard.OPEN):
        _sync(fleet, guard=guard, ceiling=118, runs_memory=115)
    with fleet.database.read() as session:
        told = session.scalars(select(Event.data).where(Event.type == "host.guarded").order_by(Event.seq)).all()
    assert [one["guard"] for one in told] == ["closed", "shedding", "open"]
    assert told[1]["before"] == "closed"
    assert (told[1]["ceiling"], told[1]["runs_memory"]) == (118, 115)


def test_an_agent_that_starts_anew_starts_with_an_open_guard(fleet: Fleet) -> None:
    _sync(fleet, guard=Guard.SHEDDING)
    _register(fleet)
    assert fleet.host().guard == "open"


@pytest.mark.parametrize(("size", "fits"), [(120, True), (200, False)])
def test_what_fits_a_host_at_its_best_is_not_refused_while_others_use_its_memory(
    fleet: Fleet, size: int, fits: bool
) -> None:
    _sync(fleet, budget=10, capacity=160)
    model = InstalledModel(id="m", name="m", format=Format.ECHO, path="", size=Bytes(1), shape=ModelShape())
    spec = RunSpec(params={"memory": size})
    with fleet.database.read() as session:
        offers = Offers(session)
        if fits:
            offers.check_run(model, Capability.GENERATE, spec, None, None)
        else:
            with pytest.raises(CannotFit, match="can never fit"):
                offers.check_run(model, Capability.GENERATE, spec, None, None)


def test_one_word_of_a_shedding_guard_ends_one_run(fleet: Fleet) -> None:
    fleet.ready_run("one", need=40)
    fleet.ready_run("two", need=40)
    _sync(fleet, guard=Guard.SHEDDING)
    assert fleet.do(runs.shed, fleet.fence, ["one"], "memory guard")
    _sync(fleet, guard=Guard.SHEDDING)
    assert fleet.host().guard == "shedding"
    assert fleet.report(RunEvent.STOPPED, "one")
    assert fleet.host().guard == "closed", "it was said before the memory came free"
    late = RunStatus(run_id="one", generation=1, worker="worker-1")
    _sync(fleet, guard=Guard.SHEDDING, runs=[late])
    assert fleet.host().guard == "closed", "it was judged while the run still counted"
    _sync(fleet, guard=Guard.SHEDDING)
    assert fleet.host().guard == "shedding"
