"""The share of a host's energy that an attempt gets, by a scripted counter."""

from __future__ import annotations

import pytest

from tests.power import Draw
from workers.power.share import Share


def share_of(draw: Draw, idle: float | None = 10.0, others: int = 0) -> Share:
    share = Share(draw, draw.clock)
    share.tell(idle, others)
    return share


def test_an_attempt_alone_gets_all_above_idle() -> None:
    draw = Draw(30.0)
    with share_of(draw).using(1) as stay:
        draw.pass_(4.0)
        assert stay.joules() == pytest.approx(80.0)


def test_attempts_at_once_share_by_slots_and_together_get_what_was_used() -> None:
    draw = Draw(50.0)
    share = share_of(draw)
    with share.using(3) as big:
        draw.pass_(1.0)
        with share.using(1) as small:
            draw.pass_(2.0)
            little = small.joules()
        draw.pass_(1.0)
        much = big.joules()
    assert little == pytest.approx(2 * 40 / 4)
    assert much is not None
    assert little is not None
    assert much + little == pytest.approx(4 * 40.0)
    assert share.slots == 0


def test_slots_that_others_use_get_their_part() -> None:
    draw = Draw(50.0)
    share = share_of(draw, others=3)
    with share.using(1) as stay:
        draw.pass_(2.0)
        share.tell(10.0, 0)
        draw.pass_(1.0)
        assert stay.joules() == pytest.approx(2 * 40 / 4 + 40)


def test_without_a_counter_nothing_is_known() -> None:
    share = Share(None)
    share.tell(10.0, 0)
    with share.using(1) as stay:
        assert stay.joules() is None


def test_before_the_idle_power_is_known_nothing_is() -> None:
    draw = Draw(30.0)
    share = share_of(draw, idle=None)
    with share.using(1) as stay:
        draw.pass_(1.0)
        share.tell(10.0, 0)
        draw.pass_(1.0)
        assert stay.joules() is None
    with share.using(1) as later:
        draw.pass_(1.0)
        assert later.joules() == pytest.approx(20.0)


def test_a_counter_that_fails_half_way_makes_it_unknown() -> None:
    draw = Draw(30.0)
    share = share_of(draw)
    with share.using(1) as stay:
        draw.broken = True
        draw.pass_(1.0)
        share.tell(10.0, 0)
        draw.broken = False
        draw.pass_(1.0)
        assert stay.joules() is None


def test_an_agent_that_was_silent_for_long_makes_it_unknown() -> None:
    draw = Draw(30.0)
    with share_of(draw).using(1) as stay:
        draw.pass_(11.0)
        assert stay.joules() is None


def test_noise_below_idle_is_no_energy_given_back() -> None:
    draw = Draw(9.0)
    with share_of(draw).using(1) as stay:
        draw.pass_(1.0)
        assert stay.joules() == 0.0
