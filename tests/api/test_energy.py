"""What requests use of their hosts' energy, by scripted reports."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from api.energy import Energy, Report
from shared.usage import Part, Spent

_MINE, _THEIRS = Part("mine", "echo"), Part("theirs", "echo")


class Alpha:
    """A host that is idle at 10 W, and the clock of all."""

    def __init__(self) -> None:
        self.now = 100.0
        self.joules = 0.0
        self.energy = Energy(lease=10.0, sync=2.0, clock=lambda: self.now)

    def draw(self, watts: float, seconds: float) -> None:
        self.now += seconds
        self.joules += watts * seconds

    def report(self, watts: float | None = 10.0, *, job_slots: int = 0, idle: float | None = 10.0) -> None:
        joules = self.joules if watts is not None else None
        self.energy.hear({"alpha": Report(self.now, joules, watts, idle, job_slots)})

    def used(self) -> float | None:
        return self.energy.settled().get(_MINE, Spent()).joules


def test_a_request_gets_all_above_idle_between_two_reports_however_short_it_was() -> None:
    host = Alpha()
    with host.energy.staying("alpha") as stay:
        host.draw(30.0, 2.0)
        host.report(30.0)
        host.draw(30.0, 0.5)
    host.energy.charge(_MINE, [stay])
    assert host.energy.settled() == {}, "its end was not reported on"
    host.draw(16.0, 1.5)
    host.report()
    assert host.used() == pytest.approx(2 * 20 + 0.5 * 20 + 1.5 * 6)
    assert host.energy.settled() == {}, "it is counted once"
    assert not host.energy.curious


def test_requests_at_once_share_by_their_seconds() -> None:
    host = Alpha()
    with host.energy.staying("alpha") as before:
        host.report()
    host.energy.charge(Part("before", "echo"), [before])
    with host.energy.staying("alpha") as long:
        with host.energy.staying("alpha") as short:
            host.draw(40.0, 0.5)
        host.draw(40.0, 0.5)
    host.energy.charge(_MINE, [long])
    host.energy.charge(_THEIRS, [short])
    host.draw(10.0, 1.0)
    host.report()
    told = host.energy.settled()
    assert told[_MINE].joules == pytest.approx(30 * 1 / 1.5)
    assert told[_THEIRS].joules == pytest.approx(30 * 0.5 / 1.5)


def test_slots_of_jobs_get_their_part() -> None:
    host = Alpha()
    with host.energy.staying("alpha") as stay:
        host.draw(50.0, 2.0)
        host.report(50.0, job_slots=3)
    host.energy.charge(_MINE, [stay])
    host.report()
    assert host.used() == pytest.approx(2 * 40 / 4)


def test_a_request_that_was_at_two_hosts_is_charged_for_both_or_not_at_all() -> None:
    host = Alpha()
    with host.energy.staying("alpha") as first:
        host.draw(20.0, 2.0)
        host.report(20.0)
    with host.energy.staying("beta") as second:
        host.draw(10.0, 2.0)
        host.report()
    host.energy.charge(_MINE, [first, second])
    host.draw(10.0, 15.0)
    assert host.energy.settled() == {}, "beta never reported, and half of the truth is none"
    assert not host.energy.curious


@pytest.mark.parametrize("told", [{"watts": None}, {"watts": 30.0, "idle": None}])
def test_a_host_that_does_not_know_its_power_charges_nobody(told: dict[str, float | None]) -> None:
    host = Alpha()
    with host.energy.staying("alpha") as stay:
        host.draw(30.0, 2.0)
        host.report(told["watts"], idle=told.get("idle", 10.0))
    host.energy.charge(_MINE, [stay])
    host.draw(30.0, 2.0)
    host.report(30.0)
    assert host.energy.settled() == {}
    assert not host.energy.curious


def test_a_counter_that_began_anew_charges_nobody() -> None:
    host = Alpha()
    with host.energy.staying("alpha") as stay:
        host.draw(30.0, 2.0)
        host.report(30.0)
        host.joules = 0.0
        host.draw(10.0, 2.0)
        host.report()
    host.energy.charge(_MINE, [stay])
    host.report()
    assert host.energy.settled() == {}


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 1e300])
@pytest.mark.parametrize("field", ["joules", "watts", "idle"])
def test_a_figure_that_cannot_be_true_charges_nobody(odd: float, field: str) -> None:
    host = Alpha()
    with host.energy.staying("alpha") as stay:
        host.draw(30.0, 2.0)
        host.energy.hear({"alpha": replace(Report(host.now, host.joules, 30.0, 10.0), **{field: odd})})
        host.draw(30.0, 2.0)
        host.energy.hear({"alpha": replace(Report(host.now, host.joules, 30.0, 10.0), **{field: odd})})
    host.energy.charge(_MINE, [stay])
    host.draw(10.0, 1.0)
    host.report()
    used = host.used()
    assert used is None or used < 1000.0
