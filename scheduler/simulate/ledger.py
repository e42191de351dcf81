"""What is seen while a trace is played: how memory was used, how often models were loaded, who was served."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.simulate.fairness import fair_shares

#: The rank of a class, a key and a model: keys compete within their class, for slots of the models they want.
Party = tuple[int, str, str]


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
        for rank in {party[0] for party in waiting}:
            slots: Counter[str] = Counter()
            wants: defaultdict[str, Counter[str]] = defaultdict(Counter)
            had: Counter[str] = Counter()
            for parties in (waiting, serving):
                for (other, key, model), count in parties.items():
                    if other == rank:
                        wants[key][model] += count
                        slots[model] += count if parties is serving else 0
                        had[key] += count if parties is serving else 0
            if len(wants) > 1:
                for key, share in fair_shares(wants, slots, self.weights).items():
                    self.got[key] += seconds * had[key]
                    self.fair[key] += seconds * share
