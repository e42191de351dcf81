"""Hosts, what they offer, and what lives on their lanes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, Text, cast, func, select

from scheduler.views import HostView, LaneView
from shared.downloads.room import LEAST_RESERVE
from shared.runtimes import RuntimeInfo
from shared.store.promised import read_promised
from shared.tables import Attempt, Host, HostRuntime, is_live_attempt
from shared.vocabulary import Guard

_host, _offer, _attempt = Host.__table__.c, HostRuntime.__table__.c, Attempt.__table__.c

_HOSTS = select(
    _host.name, _host.budget, _host.disk_free, _host.seen_until, _host.draining, _host.cordoned, _host.reserved_by,
    cast(_host.labels, Text).label("labels_text"), cast(_host.taints, Text).label("taints_text"), _host.guard,
    _host.maintenance, _host.telemetry["thermal"].as_string().label("thermal"),
    _host.telemetry["cpu_percent"].as_float().label("percent"),
    _host.telemetry["disk_reserve"].as_float().label("disk_reserve"),
).order_by(_host.name)  # fmt: skip
_OFFERS = select(_offer.host, _offer.name, cast(_offer.info, Text)).where(_offer.alive).order_by(_offer.name)
_LANE = (_attempt.host, _attempt.runtime, _attempt.run_id)
_USES = select(*_LANE, func.count(), func.sum(_attempt.slots)).where(is_live_attempt).group_by(*_LANE)

_runtime_info = lru_cache(1024)(RuntimeInfo.model_validate_json)


@dataclass(frozen=True, slots=True)
class Use:
    """Live attempts of one lane on one run, or on none."""

    host: str
    runtime: str
    run_id: str | None
    attempts: int
    slots: int


def read_hosts(
    connection: Connection, moment: float, apart: Mapping[str, frozenset[str]] | None = None
) -> dict[str, HostView]:
    """Every host by name, with the runtimes whose workers live; `apart` is what `read_apart` says."""
    offers: dict[str, dict[str, RuntimeInfo]] = {}
    for host, name, info in connection.execute(_OFFERS):
        offers.setdefault(host, {})[name] = _runtime_info(info)
    kept_apart = apart or {}
    promised = {host: sum(models.values()) for host, models in read_promised(connection).items()}
    return {
        row.name: _view(
            row, moment, offers.get(row.name, {}), kept_apart.get(row.name, frozenset()), promised.get(row.name, 0)
        )
        for row in connection.execute(_HOSTS)
    }


def _view(
    row: Row[*tuple[Any, ...]], moment: float, offers: Mapping[str, RuntimeInfo], apart: frozenset[str], promised: int
) -> HostView:
    return HostView(
        name=row.name,
        budget=row.budget,
        disk_free=_for_downloads(row, promised),
        up=bool(row.seen_until and row.seen_until > moment),
        draining=row.draining,
        cordoned=row.cordoned,
        reserved_by=row.reserved_by,
        runtimes=offers,
        labels=_labels(row.labels_text),
        taints=_taints(row.taints_text),
        guard=Guard(row.guard),
        thermal=row.thermal,
        load=row.percent / 100 if row.percent is not None else None,
        maintenance=row.maintenance,
        apart=apart,
    )


def _for_downloads(row: Row[*tuple[Any, ...]], promised: int) -> int:
    """Bytes of disk that nobody fills yet; an agent that does not say what stays free keeps the least."""
    reserve = int(row.disk_reserve) if row.disk_reserve is not None else LEAST_RESERVE
    return max(0, int(row.disk_free) - reserve - promised)


@lru_cache(1024)
def _labels(text: str) -> Mapping[str, str]:
    return MappingProxyType(json.loads(text))


@lru_cache(1024)
def _taints(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def read_uses(connection: Connection) -> list[Use]:
    """What live attempts use."""
    return [
        Use(host, runtime, run, count, int(slots)) for host, runtime, run, count, slots in connection.execute(_USES)
    ]


def lanes(uses: Iterable[Use]) -> dict[tuple[str, str], LaneView]:
    """The same by host and runtime."""
    found: dict[tuple[str, str], LaneView] = {}
    for use in uses:
        seen = found.get((use.host, use.runtime), LaneView())
        without_run = use.attempts if use.run_id is None else 0
        found[use.host, use.runtime] = LaneView(seen.attempts + use.attempts, seen.without_run + without_run)
    return found
