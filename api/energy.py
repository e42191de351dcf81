"""What requests use of the energy of the hosts that answer them.

Every few seconds a host reports how much energy it has used, and how much it uses when it is idle. What it used above
that between two reports belongs to the slots that worked in the meantime: those of jobs, as the host says, and the
requests of this process, by the seconds that each was there. So a request is charged a moment after it was answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.db import clock_time
from shared.tables import Host
from shared.told import amount
from shared.usage import Part, Spent

#: Seconds after its end in which a request's host must have reported; else nobody knows what it used.
_LATE = 10.0


@dataclass(slots=True)
class Stay:
    """A request at a host's engine, in seconds of the monotonic clock."""

    host: str
    began: float
    ended: float | None = None
    #: Above idle, so far; `None` once a part of it is unknown.
    joules: float | None = 0.0
    #: Nothing more will be known.
    settled: bool = False

    def within(self, start: float, end: float) -> float:
        """Seconds of it between two moments."""
        until = end if self.ended is None else min(self.ended, end)
        return max(0.0, until - max(self.began, start))


@dataclass(frozen=True, slots=True)
class Report:
    """What a host said at a moment: joules since some beginning, watts now and when idle, slots that jobs use."""

    at: float
    joules: float | None
    watts: float | None = None
    idle: float | None = None
    job_slots: int = 0


class Energy:
    """Stays of this process at all hosts; safe in threads. `lease` and `sync` are seconds, as in the settings."""

    def __init__(self, lease: float, sync: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease, self._sync, self._clock = lease, sync, clock
        self._lock = Lock()
        #: By host: stays that a report is still to come for, and the last report.
        self._stays: dict[str, list[Stay]] = {}
        self._last: dict[str, Report] = {}
        self._bills: list[tuple[Part, Sequence[Stay]]] = []

    @contextmanager
    def staying(self, host: str) -> Iterator[Stay]:
        """A request is at an engine of this host."""
        stay = Stay(host, self._clock())
        with self._lock:
            self._stays.setdefault(host, []).append(stay)
        try:
            yield stay
        finally:
            stay.ended = self._clock()

    def charge(self, part: Part, stays: Sequence[Stay]) -> None:
        """These were for it."""
        if stays:
            with self._lock:
                self._bills.append((part, stays))

    @property
    def curious(self) -> bool:
        """Is there a host whose report is waited for?"""
        return bool(self._stays)

    def read(self, session: Session) -> None:
        """Read what hosts have reported that requests were at."""
        with self._lock:
            names = list(self._stays)
        # Hosts are heard by the database's clock.
        shift = self._clock() - clock_time(session)
        rows = session.execute(select(Host.name, Host.telemetry, Host.seen_until).where(Host.name.in_(names)))
        heard = {name: _report(said, seen - self._lease + shift) for name, said, seen in rows if seen is not None}
        self.hear(heard)

    def hear(self, reports: Mapping[str, Report]) -> None:
        """Divide what was used since the last report among who was there."""
        with self._lock:
            for host, report in reports.items():
                last = self._last.get(host) or _before(report, self._sync)
                if report.at > last.at:
                    _divide(last, report, self._stays.get(host, ()))
                self._last[host] = report
            self._settle()

    def settled(self) -> dict[Part, Spent]:
        """What is known by now, once."""
        with self._lock:
            self._settle()
            bills, self._bills = self._bills, []
            total: dict[Part, Spent] = {}
            for part, stays in bills:
                known = [stay.joules for stay in stays if stay.joules is not None]
                if not all(stay.settled for stay in stays):
                    self._bills.append((part, stays))
                elif len(known) == len(stays):
                    total[part] = total.get(part, Spent()) + Spent(joules=sum(known))
        return total

    def _settle(self) -> None:
        """Let go of stays whose end a report has covered, or that none came for."""
        now = self._clock()
        for host, stays in list(self._stays.items()):
            for stay in stays:
                if stay.ended is None:
                    continue
                if host in self._last and self._last[host].at >= stay.ended:
                    stay.settled = True
                elif now - stay.ended > _LATE:
                    stay.settled, stay.joules = True, None
            self._stays[host] = [stay for stay in stays if not stay.settled]
            if not self._stays[host]:
                del self._stays[host]
                self._last.pop(host, None)


def _divide(last: Report, now: Report, stays: Sequence[Stay]) -> None:
    seconds = now.at - last.at
    above = _above(last, now)
    there = [(stay, spent) for stay in stays if (spent := stay.within(last.at, now.at)) > 0]
    slots = sum(spent for _, spent in there) + now.job_slots * seconds
    for stay, spent in there:
        stay.joules = stay.joules + above * spent / slots if stay.joules is not None and above is not None else None


def _above(last: Report, now: Report) -> float | None:
    """Joules above idle between two reports; a counter that went back began anew, and says nothing, as odd ones do."""
    if last.joules is None or now.joules is None or now.idle is None or now.joules < last.joules:
        return None
    above = now.joules - last.joules - now.idle * (now.at - last.at)
    return 0.0 if above < 0 else amount(above)


def _before(report: Report, seconds: float) -> Report:
    """The report that must have come before the first one that was read."""
    if report.joules is None or report.watts is None:
        return Report(report.at - seconds, None)
    return Report(report.at - seconds, report.joules - report.watts * seconds)


def _report(said: Mapping[str, Any], at: float) -> Report:
    return Report(
        at, said.get("joules"), said.get("power_watts"), said.get("idle_watts"), int(said.get("job_slots") or 0)
    )
