"""Power and idle power of a host, by a scripted counter."""

from __future__ import annotations

from tests.power import Draw
from workers.agent.power import PowerWatch


def test_idle_power_is_the_middle_of_what_was_measured_without_work() -> None:
    draw = Draw()
    watch = PowerWatch(draw, draw.clock)
    for watts, working in ((99, 0), (8, 0), (12, 0), (40, 1), (41, 0), (50, 0), (11, 0)):
        draw.pass_(2.0, watts)
        watch.look(working=bool(working))
    # Neither what was measured before anything was known of work, nor around work.
    assert watch.idle == 11.5
    assert watch.told()["idle_watts"] == 11.5
    assert watch.told()["power_watts"] == 11.0


def test_idle_power_is_unknown_until_it_was_seen_a_few_times() -> None:
    draw = Draw(10.0)
    watch = PowerWatch(draw, draw.clock)
    for _ in range(3):
        draw.pass_(2.0)
        watch.look(working=False)
    assert watch.idle is None
    assert watch.told() == {"power_watts": 10.0, "power_source": "scripted", "joules": 60.0}


def test_two_looks_within_a_second_are_one() -> None:
    draw = Draw(10.0)
    watch = PowerWatch(draw, draw.clock)
    draw.pass_(0.5)
    watch.look(working=False)
    assert watch.told() == {}
    draw.pass_(0.5, 30.0)
    watch.look(working=False)
    assert watch.told()["power_watts"] == 20.0


def test_a_host_without_a_counter_tells_nothing() -> None:
    watch = PowerWatch(None)
    watch.look(working=False)
    assert watch.told() == {}


def test_a_counter_that_fails_is_unknown_until_it_works_again() -> None:
    draw = Draw(10.0)
    watch = PowerWatch(draw, draw.clock)
    draw.broken = True
    draw.pass_(2.0)
    watch.look(working=False)
    assert watch.told() == {}
    draw.broken = False
    draw.pass_(2.0)
    watch.look(working=False)
    assert watch.told() == {}
    draw.pass_(2.0)
    watch.look(working=False)
    assert watch.told()["power_watts"] == 10.0
