"""Gauges of what hosts can give to runs, and of what their memory guards say."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.tables import Host
from shared.vocabulary import Guard

_HOSTS = select(Host.name, Host.budget, Host.capacity, Host.ceiling, Host.guard)


def host_memory(session: Session) -> Iterator[Metric]:
    """Budget, capacity, ceiling and guard of every host; a ceiling that nobody measured has no sample."""
    budget = GaugeMetricFamily("cidermill_host_memory_budget_bytes", "Bytes that runs may hold now.", labels=["host"])
    capacity = GaugeMetricFamily(
        "cidermill_host_memory_capacity_bytes", "Bytes that runs may hold while nothing else runs.", labels=["host"]
    )
    ceiling = GaugeMetricFamily(
        "cidermill_host_memory_ceiling_bytes", "Bytes that runs may use before the guard steps in.", labels=["host"]
    )
    guard = GaugeMetricFamily(
        "cidermill_host_guard", "1 for what the host's memory guard says, 0 for the others.", labels=["host", "guard"]
    )
    for name, now, best, most, said in session.execute(_HOSTS):
        budget.add_metric([name], now)
        capacity.add_metric([name], max(now, best))
        if most is not None:
            ceiling.add_metric([name], most)
        for word in Guard:
            guard.add_metric([name, word], 1 if word == said else 0)
    yield from (budget, capacity, ceiling, guard)
