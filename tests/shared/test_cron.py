"""Cron times in time zones, over the days on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cron import last_time, next_time
from shared.errors import InvalidParameters

BERLIN = "Europe/Berlin"


def moment(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def wall(seconds: float | None, zone: str = BERLIN) -> str:
    assert seconds is not None
    return datetime.fromtimestamp(seconds, ZoneInfo(zone)).isoformat()


def times(cron: str, start: str, count: int) -> list[str]:
    found, after = [], moment(start)
    for _ in range(count):
        following = next_time(cron, BERLIN, after)
        assert following is not None
        found.append(wall(following))
        after = following
    return found


def test_a_time_is_read_on_the_clock_of_its_zone() -> None:
    assert wall(next_time("30 2 * * mon-fri", BERLIN, moment("2026-11-20T12:00+01:00"))) == "2026-11-23T02:30:00+01:00"
    assert wall(next_time("0 9 * * *", "Asia/Tokyo", moment("2026-11-20T12:00+01:00")), "UTC") == (
        "2026-11-21T00:00:00+00:00"
    )


def test_a_time_that_summer_time_skips_comes_right_after() -> None:
    assert times("30 2 * * *", "2026-03-28T12:00+01:00", 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_a_time_that_occurs_twice_comes_once() -> None:
    assert times("30 2 * * *", "2026-10-24T12:00+02:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_every_half_hour_goes_by_the_clock_that_runs_on() -> None:
    assert times("*/30 * * * *", "2026-10-25T02:00+02:00", 4) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]


@given(
    st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 3 * * sun", "15 1,2,3 * * *", "59 23 31 * *", "0 0 29 2 *"]),
    st.sampled_from([BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe"]),
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 - made aware below
)
def test_the_next_time_is_later_and_the_last_is_not(cron: str, zone: str, local: datetime) -> None:
    now = local.replace(tzinfo=UTC).timestamp()
    after, before = next_time(cron, zone, now), last_time(cron, zone, now)
    assert after is not None
    assert before is not None
    assert before <= now < after


@pytest.mark.parametrize("cron", ["", "* * * *", "61 * * * *", "0 25 * * *", "a b c d e", "0 0 31 2 *"])
def test_what_is_no_cron_expression_is_refused_in_three_parts(cron: str) -> None:
    with pytest.raises(InvalidParameters) as raised:
        next_time(cron, "UTC", 0.0)
    problem = raised.value.problem
    assert problem.what
    assert problem.why
    assert problem.fix
    assert problem.details["field"] == "cron"


def test_a_time_zone_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidParameters) as raised:
        next_time("0 0 * * *", "Europe/Berln", 0.0)
    assert "Europe/Berlin" in raised.value.problem.details["nearest"]
