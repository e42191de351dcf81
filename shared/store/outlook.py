"""Would a model run on a host, and how large: now, after which evictions, later, or never, and why. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.runs.learned import LearnedPeak
from shared.runs.need import RunSize, size_run
from shared.runtimes import InstalledModel, RunSpec, RuntimeInfo
from shared.store.disk_room import DiskRoom
from shared.units import format_bytes

#: Contexts are looked for in steps of so many tokens; where a model does not say its own, up to the second number.
_STEP, _FAR = 256, 131072


class Fits(StrEnum):
    NOW = "now"
    #: When idle runs end; the scheduler ends them by itself.
    AFTER_EVICTION = "after_eviction"
    #: When runs end that are busy, pinned or on their way, or when the host is open again.
    LATER = "later"
    #: The memory would do, now or later; the disk has no room for the files.
    NO_DISK = "no_disk"
    NEVER = "never"


@dataclass(frozen=True)
class IdleRun:
    """A run that the scheduler may end to make room."""

    id: str
    model: str
    held: int
    last_used: float


@dataclass(frozen=True)
class Room:
    """A host's memory for runs, in bytes, and its disk."""

    host: str
    #: What runs may hold together now, and at the host's best.
    budget: int
    capacity: int
    held: int
    #: The first to go first.
    idle: tuple[IdleRun, ...] = ()
    #: Why nothing is placed there at present; `None`: it is open.
    closed: str | None = None
    #: The disk that the files would come to; `None`: nobody asked.
    disk: DiskRoom | None = None

    @property
    def free(self) -> int:
        return max(0, self.budget - self.held)


@dataclass(frozen=True)
class Outlook:
    """One runtime of one host."""

    host: str
    runtime: str
    fits: Fits
    size: RunSize
    room: Room
    evicts: tuple[IdleRun, ...]
    #: Tokens per slot at most: in what is free now, and with the host to itself; `None`: not even the smallest.
    largest_now: int | None
    largest: int | None
    reason: str


def outlook(
    model: InstalledModel, runtime: RuntimeInfo, spec: RunSpec, room: Room, learned: Sequence[LearnedPeak] = ()
) -> Outlook:
    """How `model` would fare with `runtime` in `room`."""
    size = size_run(model, runtime, spec, learned)
    need = size.need.total
    evicts = _evicted(need, room)
    fits = _verdict(need, room, evicts)

    def total(context: int) -> int:
        return size_run(model, runtime, spec.model_copy(update={"context": context}), learned).need.total

    most = model.context or max(_FAR, size.context)
    return Outlook(
        host=room.host,
        runtime=runtime.name,
        fits=fits,
        size=size,
        room=room,
        evicts=evicts if fits is Fits.AFTER_EVICTION else (),
        largest_now=largest_context(total, room.free, most),
        largest=largest_context(total, room.capacity, most),
        reason=_reason(fits, need, room, evicts),
    )


def largest_context(total: Callable[[int], int], limit: int, most: int) -> int | None:
    """The most tokens, at most `most`, for which `total` (which grows with them) stays within `limit` bytes."""
    if total(most) <= limit:
        return most
    low, high = 0, most // _STEP
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if total(middle * _STEP) <= limit else (low, middle)
    return low * _STEP or None


def _evicted(need: int, room: Room) -> tuple[IdleRun, ...]:
    """The idle runs that have to end; all of them when even that is not enough."""
    missing = need - room.free
    gone: list[IdleRun] = []
    for run in room.idle:
        if missing <= 0:
            break
        gone.append(run)
        missing -= run.held
    return tuple(gone)


def _verdict(need: int, room: Room, evicts: tuple[IdleRun, ...]) -> Fits:
    if need > room.capacity:
        return Fits.NEVER
    if room.disk is not None and not room.disk.fits:
        return Fits.NO_DISK
    if room.closed is not None:
        return Fits.LATER
    if need <= room.free:
        return Fits.NOW
    freed = sum(run.held for run in evicts)
    return Fits.AFTER_EVICTION if need <= room.free + freed else Fits.LATER


def _reason(fits: Fits, need: int, room: Room, evicts: tuple[IdleRun, ...]) -> str:
    start = f"needs {format_bytes(need)}; {room.host} has {format_bytes(room.free)} free of {format_bytes(room.budget)}"
    if fits is Fits.NEVER:
        return f"needs {format_bytes(need)}; {room.host} never has more than {format_bytes(room.capacity)}"
    if fits is Fits.NO_DISK and room.disk is not None:
        return f"{start}; {room.disk.sentence}"
    if fits is Fits.AFTER_EVICTION:
        idle = ", ".join(f"{run.model} ({format_bytes(run.held)})" for run in evicts)
        return f"{start}; idle runs would end: {idle}"
    if fits is Fits.LATER and room.closed is not None:
        return f"{start}; {room.closed}"
    if fits is Fits.LATER:
        return f"{start}; the rest is held by runs that are busy, pinned or starting"
    return start
