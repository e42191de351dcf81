"""Why work waits, as data and as a sentence. Nothing in it changes while nothing happens, so it is rarely rewritten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.units import format_bytes

#: Hosts named in one reason; a fleet can have hundreds.
NAMED_HOSTS = 4
#: Hosts whose numbers a reason carries.
MOST_HOSTS = 16


class Code(StrEnum):
    """What is missing, from almost there to far away."""

    GIVING_WAY = "giving_way"
    SLOTS = "slots"
    STARTING = "starting"
    FREEING = "freeing_memory"
    FETCHING = "fetching"
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


_JOIN = "a host joins that can run it: cidermill agent --join"
#: What would have to happen, by what is missing; it says the same whoever waits.
_HELP = {
    Code.MEMORY: "runs on {host} end, or are unpinned",
    Code.LANE: "a transfer on {host} ends",
    Code.DISK: "room is made on the disk of {host}: cidermill models gc",
    Code.APART: "the other work on {host} ends",
    Code.RESERVED: "the exclusive job on {host} ends",
    Code.GUARD: "memory comes free on {host}: its guard opens by itself",
    Code.HOT: "{host} cools down",
    Code.TOO_SMALL: "a smaller context or fewer slots, or a host with more memory",
    Code.CLOSED: "{host} is opened: cidermill hosts undrain {host}",
    Code.TAINTED: "the job tolerates the taint of {host}, or it is taken off",
    Code.QUARANTINED: "the model is let onto {host} again",
    Code.SELECTOR: "a host gets the label that is asked for",
    Code.DOWN: "{host} comes back",
    Code.NOT_INSTALLED: "it is installed on {host}: cidermill models pull",
    Code.NO_RUNTIME: "{host} gets a runtime for it",
    Code.NO_HOST: _JOIN,
}


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
    #: Seconds until the first who is told this begins, from measured rates, and more for each who is ahead of another
    #: with the same wish; `None` when they do not tell.
    seconds: float | None = None
    each: float | None = None

    def as_json(self) -> dict[str, Any]:
        """`{code, needs, hosts: [{host, code, sentence, free, held, holders}], sentence, would_help, …}`."""
        return {
            "code": self.code,
            "needs": self.needs,
            "hosts": [_fact_json(fact) for fact in self.hosts],
            "sentence": self.sentence,
            "would_help": list(self.would_help),
            "seconds": self.seconds,
            "each": self.each,
        }


def refused(facts: Iterable[HostFact], needs: int | None = None, *, unnamed: int = 0) -> Reason:
    """No host takes it: the reason is that of the hosts that come nearest.

    `unnamed` hosts beyond those of `facts` do not help either.
    """
    ranked = sorted(facts, key=lambda fact: (_NEAREST[fact.code], fact.host))
    if not ranked:
        return Reason(Code.NO_HOST, "no host has joined that could run it", needs, would_help=(_JOIN,))
    sentences = [fact.sentence for fact in ranked[:NAMED_HOSTS]]
    others = len(ranked) + unnamed - len(sentences)
    if others:
        sentences.append(f"{others} more hosts do not help either")
    if needs is not None:
        sentences.insert(0, f"needs {format_bytes(needs)}")
    helps = dict.fromkeys(
        _HELP[fact.code].format(host=fact.host) for fact in ranked[:NAMED_HOSTS] if fact.code in _HELP
    )
    return Reason(ranked[0].code, "; ".join(sentences), needs, tuple(ranked[:MOST_HOSTS]), tuple(helps))


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
