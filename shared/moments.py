"""Moments as people write them: a time with its zone, or a duration from now."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter

_SPAN = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)\s*$")
_ISO_SPAN = TypeAdapter(timedelta)
_UNITS = {"s": "seconds", "min": "minutes", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_moment(said: Any) -> datetime | timedelta:
    """`2h`, `15min` and `PT2H` are durations; `2026-11-21T08:00:00Z` and seconds since 1970 are times.

    Raises ValueError for anything else, for a time without its zone, and for what is before 1970 or too far away.
    """
    moment = _read_text(said) if isinstance(said, str) else said if isinstance(said, timedelta) else _read_time(said)
    if not 0 <= (at(moment, time.time()) or 0.0) <= _LATEST:
        raise ValueError("a time or the end of a duration must lie between 1970 and 5138")
    return moment


def _read_time(said: Any) -> datetime:
    try:
        moment = said if isinstance(said, datetime) else datetime.fromtimestamp(said, UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise ValueError(_NEITHER) from error
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone, as in 2026-11-21T08:00:00Z")
    return moment


#: Seconds since 1970, in the year 5138: calendars, and what we print, end some time later.
_LATEST = 1e11
_NEITHER = "neither a time such as 2026-11-21T08:00:00Z nor a duration such as 90s, 15min, 2h or 3d"


def _read_text(text: str) -> datetime | timedelta:
    if (span := _SPAN.match(text)) is not None:
        return _span(float(span[1]), _UNITS[span[2]])
    try:
        return _ISO_SPAN.validate_python(text) if text[:1] == "P" else _read_time(datetime.fromisoformat(text))
    except ValueError as error:
        raise ValueError(str(error) if "zone" in str(error) else _NEITHER) from error


def _span(number: float, unit: str) -> timedelta:
    try:
        return timedelta(**{unit: number})
    except OverflowError:
        return timedelta.max


#: A field of a request; see `read_moment`.
Moment = Annotated[datetime | timedelta, BeforeValidator(read_moment)]


def at(moment: datetime | timedelta | None, now: float) -> float | None:
    """Seconds since 1970; durations count from `now`."""
    if moment is None:
        return None
    return now + moment.total_seconds() if isinstance(moment, timedelta) else moment.timestamp()


#: The last second of the last year that calendars here know.
_LAST = 253_402_300_799.0


def rfc3339(seconds: float) -> str:
    """A time since 1970, as `2026-11-21T08:00:00Z`; what no date names is the first or the last one."""
    return datetime.fromtimestamp(min(max(0.0, seconds), _LAST), UTC).isoformat().replace("+00:00", "Z")
