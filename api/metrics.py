"""Numbers for Prometheus: HTTP is counted as it happens, everything else is asked of the database at each scrape."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.drift import drift
from api.hosts_memory import host_memory
from api.hosts_power import host_power, model_energy
from shared import hosts, invariants
from shared.db import Database, clock_time
from shared.tables import Attempt, Event, Host, Job, Run, is_live_attempt, is_live_run
from shared.vocabulary import FINAL_RUN_STATES, RunState

# A second series for each counter tells nobody anything.
disable_created_metrics()  # type: ignore[no-untyped-call]

_WAITS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200)
_LATENCIES = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
#: Seconds for which answers to queries over whole tables are good enough, and how many times those that they took.
_FRESH = 10.0
_REST = 20


class Metrics:
    """What this process counts, and what it asks the database when scraped."""

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "cidermill_http_requests", "HTTP requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "cidermill_http_request_seconds", "Seconds until an answer began.", ["method", "route"],
            buckets=_LATENCIES, registry=self.registry,
        )  # fmt: skip
        self.waits = Histogram(
            "cidermill_job_wait_seconds", "Seconds from queued until its first attempt started.", ["kind"],
            buckets=_WAITS, registry=self.registry,
        )  # fmt: skip
        self.gateway = Gauge(
            "cidermill_gateway_requests", "Gateway requests in flight.", ["model"], registry=self.registry
        )
        self.registry.register(Tables(database))

    def text(self) -> bytes:
        return generate_latest(self.registry)


class Tables(Collector):
    """The database as gauges."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        #: Until when it is good enough, and what was found.
        self._scanned: tuple[float, list[Metric]] = (-math.inf, [])

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("cidermill_database_up", "1 when the database answers.")
        try:
            with self._database.read() as session:
                found = [*_live(session), *self._scans(session)]
        except SQLAlchemyError:
            found = []
        up.add_metric([], 1 if found else 0)
        return [up, *found]

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time: registering must not ask the database."""
        return []

    def _scans(self, session: Session) -> list[Metric]:
        until, kept = self._scanned
        began = self._clock()
        if began >= until:
            kept = list(_whole_tables(session))
            ended = self._clock()
            self._scanned = (ended + max(_FRESH, _REST * (ended - began)), kept)
        return kept


def _live(session: Session) -> Iterator[Metric]:
    runs = GaugeMetricFamily("cidermill_runs", "Runs that are not over, by state.", labels=["state"])
    counted = dict(session.execute(select(Run.state, func.count()).where(is_live_run).group_by(Run.state)).all())
    for state in RunState:
        if state not in FINAL_RUN_STATES:
            runs.add_metric([state], counted.get(state, 0))
    yield runs
    yield from _slots(session)
    yield from _memory(session)
    yield from drift(session)
    newest = session.execute(select(Event.seq, Event.at).order_by(Event.seq.desc()).limit(1)).first()
    event = GaugeMetricFamily("cidermill_event_number", "The newest event's number.")
    event.add_metric([], newest.seq if newest else 0)
    yield event
    lag = GaugeMetricFamily("cidermill_event_lag_seconds", "Seconds since the newest event.")
    lag.add_metric([], max(0.0, clock_time(session) - newest.at) if newest else 0.0)
    yield lag


def _slots(session: Session) -> Iterator[Metric]:
    labels = ["host", "runtime", "model"]
    total = GaugeMetricFamily("cidermill_run_slots", "Slots that ready runs offer.", labels=labels)
    used = GaugeMetricFamily("cidermill_run_slots_used", "Slots that live attempts hold.", labels=labels)
    place = (Run.host, Run.runtime, Run.model)
    ready = select(*place, func.sum(Run.slots)).where(is_live_run, Run.state == RunState.READY).group_by(*place)
    for host, runtime, model, slots in session.execute(ready):
        total.add_metric([host or "", runtime or "", model], int(slots))
    holding = (
        select(*place, func.sum(Attempt.slots))
        .join(Attempt, Attempt.run_id == Run.id)
        .where(is_live_attempt)
        .group_by(*place)
    )
    for host, runtime, model, slots in session.execute(holding):
        used.add_metric([host or "", runtime or "", model], int(slots))
    yield from (total, used)


def _memory(session: Session) -> Iterator[Metric]:
    held = hosts.memory_held(session)
    holds = GaugeMetricFamily("cidermill_host_memory_held_bytes", "Bytes that runs hold.", labels=["host"])
    up = GaugeMetricFamily("cidermill_host_up", "1 when the host was heard of in time.", labels=["host"])
    moment = clock_time(session)
    for name, seen in session.execute(select(Host.name, Host.seen_until)):
        holds.add_metric([name], held.get(name, 0))
        up.add_metric([name], 1 if seen is not None and seen > moment else 0)
    yield from (holds, up)
    yield from host_memory(session)
    yield from host_power(session)


def _whole_tables(session: Session) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("cidermill_jobs", "Jobs kept, by state and kind.", labels=["state", "kind"])
    for state, kind, count in session.execute(select(Job.state, Job.kind, func.count()).group_by(Job.state, Job.kind)):
        jobs.add_metric([state, kind], count)
    yield jobs
    attempts = GaugeMetricFamily("cidermill_attempts", "Attempts kept, by state or how they ended.", labels=["state"])
    for ended, count in session.execute(select(Attempt.state, func.count()).group_by(Attempt.state)):
        attempts.add_metric([ended], count)
    yield attempts
    yield from model_energy(session)
    broken = GaugeMetricFamily(
        "cidermill_invariants_broken",
        "Invariants that do not hold now, but for jobs that ended more than an hour ago.",
        labels=["code"],
    )
    violated = {violation.code for violation in invariants.lately_broken(session)}
    # One invariant may be asked by several queries.
    for code in dict.fromkeys(invariant.code for invariant in invariants.INVARIANTS):
        broken.add_metric([code], 1 if code in violated else 0)
    yield broken


class Counted:
    """ASGI middleware that counts requests by route template, so that ids never become labels."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"], time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, watched)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.requests.labels(scope["method"], route, status).inc()
        self._metrics.latency.labels(scope["method"], route).observe(seconds)
