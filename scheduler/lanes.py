"""Jobs that need no run, such as downloads: a place on a lane, and disk."""

from __future__ import annotations

from scheduler.draft import Draft
from scheduler.reasons import Code, HostFact, Reason, refused
from scheduler.refusals import refusal
from scheduler.views import HostView, JobView, Shape
from scheduler.wishes import Terms
from shared.runtimes import RuntimeInfo
from shared.units import format_bytes


def enlane(draft: Draft, job: JobView) -> tuple[str, str] | None:
    """Host and lane for a job, where most disk is free; or `None`, and it is told why it waits."""
    shape = job.shape
    terms = Terms.of_shape(shape)
    facts: list[HostFact] = []
    places: list[tuple[int, str, str]] = []
    for host in _asked(draft, terms):
        found = refusal(draft, host, terms) or _place(draft, host, shape)
        if isinstance(found, HostFact):
            facts.append(found)
        else:
            places.append(found)
    if places:
        _, name, runtime = min(places)
        return name, runtime
    draft.claimed.update(fact.host for fact in facts if fact.code == Code.LANE)
    draft.answer(job, _refused(facts, shape))
    return None


def _asked(draft: Draft, terms: Terms) -> list[HostView]:
    hosts = draft.snapshot.hosts
    if terms.host is None:
        return list(hosts.values())
    return [hosts[terms.host]] if terms.host in hosts else []


def _refused(facts: list[HostFact], shape: Shape) -> Reason:
    if shape.host is not None and not facts:
        facts = [HostFact(shape.host, Code.NO_HOST, f"no host is called {shape.host}")]
    return refused(facts, shape.disk or None)


def _place(draft: Draft, host: HostView, shape: Shape) -> tuple[int, str, str] | HostFact:
    """Most disk free first, then by name."""
    able = [info for info in host.runtimes.values() if _does(info, shape)]
    if not able:
        return HostFact(host.name, Code.NO_RUNTIME, f"{host.name} does not run {shape.runtime or shape.capability}")
    disk = host.disk_free - draft.disk_taken[host.name]
    if disk < shape.disk:
        return HostFact(host.name, Code.DISK, f"{host.name} has {format_bytes(disk)} of disk free", disk)
    open_lanes = [info for info in able if draft.lane_used[host.name, info.name] < info.lane_slots]
    if not open_lanes:
        slots = sum(info.lane_slots for info in able)
        return HostFact(host.name, Code.LANE, f"all {slots} places of {able[0].name} on {host.name} are taken")
    return -disk, host.name, open_lanes[0].name


def _does(info: RuntimeInfo, shape: Shape) -> bool:
    return shape.runtime in (None, info.name) and shape.capability in info.capabilities
