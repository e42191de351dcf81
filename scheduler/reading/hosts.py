"""Hosts, what they offer, and what lives on their lanes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, Text, cast, func, select

from scheduler.views import HostView, LaneView
from shared.runtimes import RuntimeInfo
from shared.tables import Attempt, Host, HostRuntime, is_live_attempt

_host, _offer, _attempt = Host.__table__.c, HostRuntime.__table__.c, Attempt.__table__.c

_HOSTS = select(
    _host.name, _host.budget, _host.disk_free, _host.seen_until, _host.draining, _host.cordoned, _host.reserved_by
).order_by(_host.name)
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


def read_hosts(connection: Connection, moment: float) -> dict[str, HostView]:
    """Every host by name, with the runtimes whose workers live."""
    offers: dict[str, dict[str, RuntimeInfo]] = {}
    for host, name, info in connection.execute(_OFFERS):
        offers.setdefault(host, {})[name] = _runtime_info(info)
    return {
        name: HostView(
            name, budget, disk, bool(seen and seen > moment), draining, cordoned, reserved_by, offers.get(name, {})
        )
        for name, budget, disk, seen, draining, cordoned, reserved_by in connection.execute(_HOSTS)
    }


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
