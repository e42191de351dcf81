"""Power and energy of hosts that have counters, and the energy that models' work took."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.tables import Host, Usage

_HOSTS = select(Host.name, Host.telemetry)
_MODELS = select(Usage.model, func.sum(Usage.joules)).where(Usage.joules.is_not(None)).group_by(Usage.model)


def host_power(session: Session) -> Iterator[Metric]:
    """Watts and joules of every host; what nobody measured has no sample."""
    families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {
        "power_watts": GaugeMetricFamily("cidermill_host_power_watts", "Power of the host.", labels=["host"]),
        "idle_watts": GaugeMetricFamily(
            "cidermill_host_idle_watts", "Power of the host when nothing works on it.", labels=["host"]
        ),
        "joules": CounterMetricFamily(
            "cidermill_host_energy_joules", "Energy of the host since its agent began.", labels=["host"]
        ),
    }
    for name, said in session.execute(_HOSTS):
        for field, family in families.items():
            if (value := said.get(field)) is not None:
                family.add_metric([name], value)
    yield from families.values()


def model_energy(session: Session) -> Iterator[Metric]:
    """Joules above idle that are in the usage of all keys."""
    used = CounterMetricFamily(
        "cidermill_used_joules",
        "Energy above idle that jobs and requests used, of what was measured.",
        labels=["model"],
    )
    for model, joules in session.execute(_MODELS):
        used.add_metric([model], joules or 0.0)
    yield used
