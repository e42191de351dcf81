"""What may be deleted from the hosts' disks, and why. Pure.

Never: what runs, what a waiting job needs, what another program keeps. Of the rest the least recently used goes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.units import format_bytes

_DAY = 86400.0
#: When nobody says anything else: what was not used for so long.
DEFAULT_AGE = 30 * _DAY


@dataclass(frozen=True)
class Copy:
    """A model on a host's disk."""

    model_id: str
    model: str
    host: str
    #: Bytes by content; contents of the same key are stored once on a host.
    contents: Mapping[str, int]
    #: Seconds since 1970.
    last_used: float
    #: Why it must stay; `None`: it may go.
    keep: str | None = None

    @property
    def size(self) -> int:
        return sum(self.contents.values())


@dataclass(frozen=True)
class Policy:
    """What to reach; several wishes add up, and none means `DEFAULT_AGE`."""

    #: Seconds without use after which a model goes.
    older_than: float | None = None
    #: Bytes that models may take on each host.
    keep_bytes: int | None = None
    #: Bytes that each host's disk should have free.
    free_bytes: int | None = None

    @property
    def age(self) -> float | None:
        asked = (self.older_than, self.keep_bytes, self.free_bytes)
        return DEFAULT_AGE if asked == (None, None, None) else self.older_than


@dataclass(frozen=True)
class Verdict:
    """Stay or go, and why."""

    copy: Copy
    goes: bool
    reason: str
    #: Bytes that are free once it is gone: what others share is not among them.
    frees: int = 0


def sweep(copies: Iterable[Copy], policy: Policy, now: float, disk_free: Mapping[str, int]) -> list[Verdict]:
    """A verdict on every copy, host by host, the least recently used first."""
    by_host: dict[str, list[Copy]] = {}
    for copy in sorted(copies, key=lambda copy: (copy.host, copy.last_used, copy.model)):
        by_host.setdefault(copy.host, []).append(copy)
    return [
        verdict
        for host, there in by_host.items()
        for verdict in _Sweep(there, policy, now, disk_free.get(host)).verdicts()
    ]


class _Sweep:
    """One host's disk while it is thought empty, copy by copy."""

    def __init__(self, copies: Sequence[Copy], policy: Policy, now: float, free: int | None) -> None:
        self._copies, self._policy, self._now, self._free = copies, policy, now, free
        self._holders = Counter(content for copy in copies for content in copy.contents)
        sizes = {content: size for copy in copies for content, size in copy.contents.items()}
        self._taken = sum(sizes.values())

    def verdicts(self) -> list[Verdict]:
        return [self._verdict(copy) for copy in self._copies]

    def _verdict(self, copy: Copy) -> Verdict:
        if copy.keep is not None:
            return Verdict(copy, goes=False, reason=copy.keep)
        reason = self._aged(copy) or self._over_target() or self._under_pressure()
        if reason is None:
            return Verdict(copy, goes=False, reason=f"last used {_span(self._now - copy.last_used)} ago")
        frees = sum(size for content, size in copy.contents.items() if self._holders[content] == 1)
        self._holders.subtract(copy.contents.keys())
        self._taken -= frees
        self._free = None if self._free is None else self._free + frees
        return Verdict(copy, goes=True, reason=reason, frees=frees)

    def _aged(self, copy: Copy) -> str | None:
        age, limit = self._now - copy.last_used, self._policy.age
        return f"not used for {_span(age)}" if limit is not None and age >= limit else None

    def _over_target(self) -> str | None:
        target = self._policy.keep_bytes
        if target is None or self._taken <= target:
            return None
        return f"models take {format_bytes(self._taken)} there, {format_bytes(target)} are wanted"

    def _under_pressure(self) -> str | None:
        target = self._policy.free_bytes
        if target is None or self._free is None or self._free >= target:
            return None
        return f"{format_bytes(self._free)} are free there, {format_bytes(target)} are wanted"


def _span(seconds: float) -> str:
    """In the largest unit of which there is one."""
    for size, unit in ((_DAY, "day"), (3600.0, "hour"), (60.0, "minute")):
        if (count := int(seconds // size)) >= 1:
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return "less than a minute"
