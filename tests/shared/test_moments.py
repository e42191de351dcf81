"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.moments import Moment, at, read_moment, rfc3339

MOMENT: TypeAdapter[datetime | timedelta] = TypeAdapter(Moment)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("90s", timedelta(seconds=90)),
        ("15min", timedelta(minutes=15)),
        ("1.5h", timedelta(minutes=90)),
        (" 3 d ", timedelta(days=3)),
        ("PT2H", timedelta(hours=2)),
        ("P1DT30M", timedelta(days=1, minutes=30)),
        ("2026-11-21T08:00:00Z", datetime(2026, 11, 21, 8, tzinfo=UTC)),
        ("2026-11-21T08:00:00+01:00", datetime(2026, 11, 21, 7, tzinfo=UTC)),
        (1000.0, datetime.fromtimestamp(1000, UTC)),
    ],
)
def test_times_and_durations_are_told_apart(said: Any, meant: datetime | timedelta) -> None:
    assert read_moment(said) == meant


@pytest.mark.parametrize(
    "said", ["soon", "2x", "", "P", "PT", "2026-11-21T08:00:00", "2026-13-01T00:00:00Z", 1e300, []]
)
def test_anything_else_is_refused_with_a_reason(said: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        MOMENT.validate_python(said)
    assert "zone" in str(raised.value) or "duration" in str(raised.value)


@pytest.mark.parametrize(
    "said", ["99999999d", "9" * 400 + "s", "P999999999D", "9999-12-31T23:59:59-10:00", 1e11 + 1, -1]
)
def test_moments_that_no_calendar_shows_are_refused(said: Any) -> None:
    with pytest.raises(ValidationError, match="between 1970 and 5138"):
        MOMENT.validate_python(said)


_TIMES = st.floats(0, 9e10).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(st.timedeltas(timedelta(0), timedelta(days=3000)) | _TIMES)
def test_a_moment_survives_json(moment: datetime | timedelta) -> None:
    again = MOMENT.validate_python(MOMENT.dump_python(moment, mode="json"))
    assert at(again, 5.0) == pytest.approx(at(moment, 5.0), abs=1e-3)


def test_a_duration_counts_from_now_and_a_time_does_not() -> None:
    assert at(timedelta(seconds=90), 1000.0) == 1090.0
    assert at(datetime.fromtimestamp(50, UTC), 1000.0) == 50.0
    assert at(None, 1000.0) is None


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (1_795_248_000, "2026-11-21T08:00:00Z"),
        (1_795_248_000.25, "2026-11-21T08:00:00.250000Z"),
        (-1.0, "1970-01-01T00:00:00Z"),
        (1e300, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_written_as_the_nearest_that_calendars_know(seconds: float, written: str) -> None:
    assert rfc3339(seconds) == written
