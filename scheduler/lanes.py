"""Jobs that need no run, such as downloads: a place on a lane, and disk."""

from __future__ import annotations

from scheduler.draft import Draft
from scheduler.options import refusal
from scheduler.reasons import Code, HostFact, refused
from scheduler.views import HostView, JobView, Shape
from shared.runtimes import RuntimeInfo
from shared.units import format_bytes


def enlane(draft: Draft, job: JobView) -> None:
    """Assign a job to the lane of the host with most disk free, or say why it waits."""
    shape = job.shape
    known = draft.answers.get(shape)
    if known is not None:
        draft.block(job, known)
        return
    facts: list[HostFact] = []
    places: list[tuple[int, str, str]] = []
    for host in draft.snapshot.hosts.values():
        if shape.host not in (None, host.name):
            continue
        found = refusal(draft, host) or _place(draft, host, shape)
        if isinstance(found, HostFact):
            facts.append(found)
        else:
            places.append(found)
    if places:
        _, name, runtime = min(places)
        draft.assign(job, name, runtime)
    else:
        draft.claimed.update(fact.host for fact in facts if fact.code == Code.LANE)
        draft.answer(job, refused(facts, shape.disk or None))


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
