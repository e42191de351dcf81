"""What a key may use in a minute, an hour or a day, and at the same time.

Windows are those of the clock (UTC): a minute's quota is whole again at the next full minute. A request is counted when
it comes, its tokens when it was answered: the last request of a window may go past the limit, and no other follows it.

This is the arithmetic; `shared.quota_book` keeps the counts where all front doors find them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.errors import QuotaExceeded

#: Seconds of each window.
WINDOWS = {"minute": 60, "hour": 3600, "day": 86_400}


class Limit(StrEnum):
    """What can be limited: how much per window, or how many requests at the same time."""

    REQUESTS_MINUTE = "requests/minute"
    REQUESTS_HOUR = "requests/hour"
    REQUESTS_DAY = "requests/day"
    TOKENS_MINUTE = "tokens/minute"
    TOKENS_HOUR = "tokens/hour"
    TOKENS_DAY = "tokens/day"
    CONCURRENT = "concurrent"


#: What a key may use; what is not named has no limit.
Limits = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """How much is left of the limit that ends first, of requests or of tokens."""

    what: str
    limit: int
    left: int
    #: Seconds until it is whole again.
    reset: float


@dataclass(slots=True)
class Account:
    """What one key has used. Times are seconds since 1970."""

    #: Requests under way.
    in_flight: int = 0
    #: Limit of a window → which window it was, and how much was used in it.
    used: dict[str, tuple[int, int]] = field(default_factory=dict)

    def admit(self, limits: Limits, moment: float) -> None:
        """Count one request, which ends with `leave`. Raises QuotaExceeded, and counts nothing then."""
        most = limits.get(Limit.CONCURRENT)
        if most is not None and self.in_flight >= most:
            raise _refused(f"{self.in_flight} requests of it are under way, and it may have {most}", 1)
        self.admit_many(1, limits, moment)
        self.in_flight += 1

    def admit_many(self, count: int, limits: Limits, moment: float) -> None:
        """Count requests that nobody waits for, all or none: only limits of a window hold. Raises QuotaExceeded."""
        for standing in self.standings(limits, moment):
            if standing.left < (count if standing.what.startswith("requests") else 1):
                seconds = max(1, math.ceil(standing.reset))
                raise _refused(f"of its {standing.limit} {standing.what}, {standing.left} are left", seconds)
        self.use("requests", count, moment)

    def leave(self, tokens: int, moment: float) -> None:
        """A request has ended, and used so many tokens."""
        self.in_flight -= 1
        self.use("tokens", tokens, moment)

    def use(self, unit: str, amount: int, moment: float) -> None:
        """Count `requests` or `tokens` in each of the windows that the moment is in."""
        for window, seconds in WINDOWS.items():
            used = self._so_far(unit, window, moment) + amount
            self.used[f"{unit}/{window}"] = (int(moment // seconds), used)

    def standings(self, limits: Limits, moment: float) -> Iterator[Standing]:
        """How each limit of a window stands."""
        for name, limit in limits.items():
            unit, _, window = name.partition("/")
            if window in WINDOWS:
                left = max(0, limit - self._so_far(unit, window, moment))
                yield Standing(f"{unit} per {window}", limit, left, WINDOWS[window] - moment % WINDOWS[window])

    def _so_far(self, unit: str, window: str, moment: float) -> int:
        number, amount = self.used.get(f"{unit}/{window}", (0, 0))
        return amount if number == int(moment // WINDOWS[window]) else 0


def _refused(why: str, seconds: int) -> QuotaExceeded:
    return QuotaExceeded(
        "The key has used what it may", why, f"ask again in {seconds} s, or ask for more", retry_after=seconds
    )
