"""What is seen while a trace is played: how memory was used, how often models were loaded, who was served."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

#: The rank of a class, and a key: keys compete within their class.
Party = tuple[int, str]


@dataclass
class Ledger:
    """Sums over virtual time. Byte-seconds of hosts that live; slot-seconds of keys."""

    weights: Mapping[str, float] = field(default_factory=dict)
    offered: float = 0.0
    held: float = 0.0
    worked: float = 0.0
    loads: int = 0
    bytes_loaded: int = 0
    reloads: int = 0
    bytes_reloaded: int = 0
    evictions: int = 0
    preemptions: int = 0
    losses: int = 0
    #: Starts after which a host held more than its budget.
    over_budget: int = 0
    #: Decisions that the world did not allow, as `apply` would not.
    refused: int = 0
    #: Looks at everything, each of which was a plan.
    plans: int = 0
    #: Slot-seconds that each key had, and should have had, while somebody of its class waited.
    got: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    fair: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def loaded(self, host: str, model: str, size: int, *, over_budget: bool) -> None:
        """A load begins; it is a reload when the host has had the model before."""
        self.loads += 1
        self.bytes_loaded += size
        self.over_budget += over_budget
        if (host, model) in self._seen:
            self.reloads += 1
            self.bytes_reloaded += size
        self._seen.add((host, model))

    def compete(self, seconds: float, waiting: Counter[Party], serving: Counter[Party]) -> None:
        """While somebody of a class waits, the slots that it has are shared: who had what, and who should have."""
        for rank in {rank for rank, _ in waiting}:
            wanted = {
                party[1]: float(waiting[party] + serving[party]) for party in {*waiting, *serving} if party[0] == rank
            }
            if len(wanted) > 1:
                slots = sum(serving[rank, key] for key in wanted)
                for key, share in fair_shares(slots, wanted, self.weights).items():
                    self.got[key] += seconds * serving[rank, key]
                    self.fair[key] += seconds * share


def fair_shares(slots: float, wanted: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """Max-min: nobody gets more than they want, and what they leave is shared by weight among the others."""
    shares: dict[str, float] = {}
    left = dict(wanted)
    while left:
        unit = slots / sum(weights.get(key, 1.0) for key in left)
        content = {key: want for key, want in left.items() if want <= unit * weights.get(key, 1.0)}
        if not content:
            return shares | {key: unit * weights.get(key, 1.0) for key in left}
        shares |= content
        slots -= sum(content.values())
        left = {key: want for key, want in left.items() if key not in content}
    return shares
