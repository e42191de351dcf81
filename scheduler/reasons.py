"""Why work waits, as data and as a sentence. Nothing in it changes while nothing happens, so it is rarely rewritten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.units import format_bytes

#: Hosts named in one reason; a fleet can have hundreds.
NAMED_HOSTS = 4


class Code(StrEnum):
    """What is missing, from almost there to far away."""

    GIVING_WAY = "giving_way"
    SLOTS = "slots"
    STARTING = "starting"
    FREEING = "freeing_memory"
    MEMORY = "memory"
    LIMIT = "limit"
    PAUSED = "paused"
    LANE = "lane_full"
    DISK = "disk"
    OTHERS = "others_at_work"
    ORDER = "order"
    BACKOFF = "load_backoff"
    LATER = "not_before"
    APART = "kept_apart"
    RESERVED = "host_reserved"
    GUARD = "memory_guard"
    HOT = "host_too_hot"
    TOO_SMALL = "host_too_small"
    CLOSED = "host_closed"
    TAINTED = "host_tainted"
    QUARANTINED = "quarantined"
    SELECTOR = "host_not_selected"
    DOWN = "host_down"
    NOT_INSTALLED = "not_installed"
    NO_RUNTIME = "no_runtime"
    INVALID = "invalid"
    NO_HOST = "no_host"


_NEAREST = {code: place for place, code in enumerate(Code)}


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that holds memory, and why it keeps it: busy, pinned, idle, starting, stopping, lost."""

    model: str
    held: int
    standing: str


@dataclass(frozen=True, slots=True)
class HostFact:
    """Why one host does not take it; sizes in bytes, `None` when they do not matter."""

    host: str
    code: Code
    sentence: str
    free: int | None = None
    held: int | None = None
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a job or run waits."""

    code: Code
    sentence: str
    #: Bytes it needs, of memory or of disk.
    needs: int | None = None
    hosts: tuple[HostFact, ...] = ()
    #: What would have to happen for it to go on; any one of these.
    would_help: tuple[str, ...] = ()
    #: Seconds until it begins, from measured rates; `None` when they do not tell.
    seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """`{code, needs, hosts: [{host, code, sentence, free, held, holders}], sentence, would_help, seconds}`."""
        return {
            "code": self.code,
            "needs": self.needs,
            "hosts": [_fact_json(fact) for fact in self.hosts],
            "sentence": self.sentence,
            "would_help": list(self.would_help),
            "seconds": self.seconds,
        }


def refused(facts: Iterable[HostFact], needs: int | None = None) -> Reason:
    """No host takes it: the reason is that of the hosts that come nearest."""
    ranked = sorted(facts, key=lambda fact: (_NEAREST[fact.code], fact.host))
    if not ranked:
        return Reason(Code.NO_HOST, "no host has joined that could run it", needs)
    named = tuple(ranked[:NAMED_HOSTS])
    sentences = [fact.sentence for fact in named]
    if len(ranked) > len(named):
        sentences.append(f"{len(ranked) - len(named)} more hosts do not help either")
    if needs is not None:
        sentences.insert(0, f"needs {format_bytes(needs)}")
    return Reason(named[0].code, "; ".join(sentences), needs, named)


def memory_sentence(host: str, free: int, holders: Sequence[Holder]) -> str:
    """`mini-3 has 12.1 GiB free, 9.8 GiB held by qwen3-14b (busy)`."""
    said = f"{host} has {format_bytes(max(0, free))} free"
    held = ", ".join(f"{format_bytes(h.held)} held by {h.model} ({h.standing})" for h in holders)
    return f"{said}, {held}" if held else said


def _fact_json(fact: HostFact) -> dict[str, Any]:
    return {
        "host": fact.host,
        "code": fact.code,
        "sentence": fact.sentence,
        "free": fact.free,
        "held": fact.held,
        "holders": [{"model": h.model, "held": h.held, "standing": h.standing} for h in fact.holders],
    }
