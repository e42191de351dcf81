"""`metrics.md`: every number that Prometheus is given."""

from __future__ import annotations

from prometheus_client import Metric

from api.metrics import Metrics
from docs.generator.frontdoor import front_door
from docs.generator.markdown import code, table

_TOP = """\
# Metrics

For whoever watches Cidermill with Prometheus. `GET /metrics` gives them; where keys are asked for, the scraper needs
one with the role `read`. Counters and histograms count what happens while the front door runs. Gauges are asked of the
database at each scrape, so they are right after a restart too; counts over whole tables are at most ten seconds old.

Labels are kinds, states, hosts, runtimes, models, routes: never ids.
"""

_WORTH = """
## What to watch

| alarm | when |
|---|---|
| something is broken | `max(cidermill_invariants_broken) > 0` |
| the database is away | `cidermill_database_up == 0` |
| a host is silent | `cidermill_host_up == 0` |
| work piles up | `sum(cidermill_jobs{state="queued"})` grows for an hour |
| hosts are full | `cidermill_host_memory_held_bytes / cidermill_host_memory_budget_bytes > 0.95` |
"""


def page() -> str:
    with front_door() as app:
        metrics: Metrics = app.state.door.metrics
        labels = _labels_counted(metrics)
        found = sorted(metrics.registry.collect(), key=lambda metric: metric.name)
    rows = [
        (code(_shown(metric)), metric.type, labels.get(metric.name, _labels_of(metric)), metric.documentation)
        for metric in found
    ]
    return _TOP + "\n" + table(("metric", "type", "labels", "meaning"), rows) + "\n" + _WORTH


def _shown(metric: Metric) -> str:
    """The name to ask Prometheus for."""
    return metric.name + ("_total" if metric.type == "counter" else "")


def _labels_of(metric: Metric) -> str:
    return _listed(getattr(metric, "_labelnames", ()))


def _labels_counted(metrics: Metrics) -> dict[str, str]:
    """Labels of what this process counts: nothing has been counted yet, so no sample shows them."""
    counted = (metrics.requests, metrics.latency, metrics.waits, metrics.gateway)
    return {described.name: _listed(metric._labelnames) for metric in counted for described in metric.describe()}


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(code(name) for name in names)
