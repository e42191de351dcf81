"""Models on their way to the disks of hosts: those that are being fetched, and those that a plan decides to fetch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from scheduler.decisions import Fetch
from scheduler.views import ModelView


class Arrivals:
    """Counts them by host; `decided` are those of this plan, by model id, for a model is fetched to one at a time."""

    def __init__(self, models: Iterable[ModelView]) -> None:
        self.decided: dict[str, Fetch] = {}
        self._sizes: dict[str, list[int]] = defaultdict(list)
        for model in models:
            for host in model.coming:
                self._sizes[host].append(model.size)

    def add(self, fetch: Fetch, size: int) -> None:
        self.decided[fetch.model_id] = fetch
        self._sizes[fetch.host].append(size)

    def hosts(self, model: ModelView) -> frozenset[str]:
        """Where this model is on its way to."""
        fetch = self.decided.get(model.id)
        return model.coming if fetch is None else frozenset({fetch.host})

    def number(self, host: str) -> int:
        """Models on their way there."""
        return len(self._sizes.get(host, ()))

    def size(self, host: str) -> int:
        """Their bytes, all of them: nobody has said how many have come."""
        return sum(self._sizes.get(host, ()))
