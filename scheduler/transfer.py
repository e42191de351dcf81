"""How long it takes to bring a model to a host. Pure."""

from __future__ import annotations

from statistics import median

from scheduler.draft import Draft
from scheduler.replicas import UNKNOWN_PATIENCE
from scheduler.stint import MOST_PATIENCE
from scheduler.views import ModelView
from shared.units import MIB
from shared.vocabulary import Source

#: Bytes a second while no host has measured a transfer: between hosts (a gigabit network), and from outside.
GUESSES = {Source.PEER: 100.0 * MIB, Source.HUB: 20.0 * MIB, Source.WEB: 20.0 * MIB}

_OUTSIDE = {Source.HUB: "the hub", Source.WEB: "the web"}


def givers(draft: Draft, model: ModelView) -> list[str]:
    """Hosts that have it and are up, by name."""
    hosts = draft.snapshot.hosts
    return sorted(name for name in model.hosts if name in hosts and hosts[name].up)


def source_of(draft: Draft, model: ModelView) -> Source:
    """Where most of it would come from."""
    if givers(draft, model):
        return Source.PEER
    return Source.HUB if (model.reference or "").startswith("hf:") else Source.WEB


def sender(draft: Draft, model: ModelView) -> str:
    """The same, for people."""
    return next(iter(givers(draft, model)), None) or _OUTSIDE[source_of(draft, model)]


def transfer_seconds(draft: Draft, model: ModelView, host: str) -> float:
    """Seconds for all of it, by what that host has measured; else by what the others have, else by a guess."""
    return model.size / _rate(draft, source_of(draft, model), host)


def has_waited(seconds: float, waited: float) -> bool:
    """Whoever does not know how long he waits does so for as long as the transfer would take, within limits.

    So the worst that comes of it is to wait twice the better of the two.
    """
    return waited > min(MOST_PATIENCE, max(UNKNOWN_PATIENCE, seconds))


def _rate(draft: Draft, source: Source, host: str) -> float:
    measured = draft.snapshot.transfers
    own = measured.get((host, source))
    if own is not None:
        return max(own, 1.0)
    others = [rate for (_, kind), rate in measured.items() if kind == source]
    return max(median(others), 1.0) if others else GUESSES[source]
