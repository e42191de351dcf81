"""Times that a cron expression names in a time zone; all moments are seconds since 1970.

As Debian's cron does it: wall-clock times that a change to summer time skips come right after it, times that occur
twice come once; expressions with a star for minute or hour go by the clock that runs on.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from shared.errors import InvalidParameters
from shared.nearest import did_you_mean, nearest


def next_time(cron: str, timezone: str, after: float) -> float | None:
    """The first time later than `after`; `None` when there is none for fifty years.

    Raises InvalidParameters for what is no cron expression or no time zone.
    """
    # Inside the hour that occurs twice, the first times found may lie in its first half.
    later = (moment.timestamp() for moment in _simulate(cron, timezone, after) if moment.timestamp() > after)
    return next(later, None)


def last_time(cron: str, timezone: str, moment: float) -> float | None:
    """The last time that is not later than `moment`. Raises InvalidParameters."""
    passed = (time.timestamp() for time in _simulate(cron, timezone, moment + 1, back=True))
    return next((time for time in passed if time <= moment), None)


def _simulate(cron: str, timezone: str, start: float, *, back: bool = False) -> CronSim:
    zone = _zone(timezone)
    try:
        return CronSim(cron, datetime.fromtimestamp(start, UTC).astimezone(zone), reverse=back)
    except CronSimError as error:
        raise InvalidParameters(
            f"{cron!r} is no cron expression",
            str(error).lower(),
            "give minute, hour, day of month, month and day of week, as in '30 2 * * mon-fri'",
            field="cron",
        ) from error


@lru_cache(64)
def _zone(name: str) -> ZoneInfo:
    known = available_timezones()
    if name not in known:
        raise InvalidParameters(
            f"There is no time zone {name!r}",
            did_you_mean(name, known),
            "name one of the IANA database, as in Europe/Berlin",
            field="timezone",
            nearest=nearest(name, known),
        )
    return ZoneInfo(name)
