"""How long it takes to bring a model to a host. Pure."""

from __future__ import annotations

from statistics import median

from scheduler.draft import Draft
from scheduler.views import ModelView
from shared.units import MIB
from shared.vocabulary import Source

#: Bytes a second while no host has measured a transfer: between hosts (a gigabit network), and from outside.
GUESSES = {Source.PEER: 100.0 * MIB, Source.HUB: 20.0 * MIB, Source.WEB: 20.0 * MIB}


def givers(draft: Draft, model: ModelView) -> list[str]:
    """Hosts that have it and are up, by name."""
    hosts = draft.snapshot.hosts
    return sorted(name for name in model.hosts if name in hosts and hosts[name].up)


def source_of(draft: Draft, model: ModelView) -> Source:
    """Where most of it would come from."""
    if givers(draft, model):
        return Source.PEER
    return Source.HUB if (model.reference or "").startswith("hf:") else Source.WEB


def transfer_seconds(draft: Draft, model: ModelView, host: str) -> float:
    """Seconds for all of it, by what that host has measured; else by what the others have, else by a guess."""
    return model.size / _rate(draft, source_of(draft, model), host)


def _rate(draft: Draft, source: Source, host: str) -> float:
    measured = draft.snapshot.transfers
    own = measured.get((host, source))
    if own is not None:
        return max(own, 1.0)
    others = [rate for (_, kind), rate in measured.items() if kind == source]
    return max(median(others), 1.0) if others else GUESSES[source]
