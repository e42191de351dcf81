"""Gauges of what was measured against what is held: where they drift apart, estimates or engines are wrong."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.tables import Host, Quarantine, Run

_PLACE = (Run.host, Run.runtime, Run.model)
#: What is told of the runs of one model on one host: estimated, reserved, measured now, measured at most.
_KINDS = ("need", "held", "used", "peak")
_RUNS = (
    select(
        *_PLACE,
        func.sum(Run.memory_need),
        func.sum(Run.memory_held),
        func.sum(Run.memory_used),
        func.sum(Run.memory_peak),
    )
    .where(Run.host.in_(select(Host.name)), Run.memory_held > 0)
    .group_by(*_PLACE)
)


def drift(session: Session) -> Iterator[Metric]:
    """Memory of runs and hosts as it was measured, and how many models each host bars."""
    yield _runs(session)
    used = GaugeMetricFamily(
        "cidermill_host_memory_used_bytes", "Bytes that runs were measured to use.", labels=["host"]
    )
    for host, size in session.execute(select(Host.name, Host.memory_used)):
        if size is not None:
            used.add_metric([host], size)
    yield used
    barred = GaugeMetricFamily("cidermill_quarantines", "Models that a host does not load.", labels=["host"])
    for host, count in session.execute(select(Quarantine.host, func.count()).group_by(Quarantine.host)):
        barred.add_metric([host], count)
    yield barred


def _runs(session: Session) -> Metric:
    """What was not measured has no sample: unknown is never zero."""
    memory = GaugeMetricFamily(
        "cidermill_run_memory_bytes",
        "Memory of runs that hold any: needed by estimate, held, used and at most used as measured.",
        labels=["host", "runtime", "model", "kind"],
    )
    for host, runtime, model, *sizes in session.execute(_RUNS):
        for kind, size in zip(_KINDS, sizes, strict=True):
            if size is not None:
                memory.add_metric([host or "", runtime or "", model, kind], int(size))
    return memory
