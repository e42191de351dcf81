"""Models on their way to the disks of hosts: those that are being fetched, and those that a plan decides to fetch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from scheduler.decisions import Fetch
from scheduler.views import ModelView


class Arrivals:
    """Counts them by host; `decided` are those of this plan, by model id, for a model is fetched to one at a time."""

    def __init__(self, models: Iterable[ModelView]) -> None:
        self.decided: dict[str, Fetch] = {}
        self._number: Counter[str] = Counter()
        self._wanted: Counter[str] = Counter()
        for model in models:
            self._number.update(model.coming)
            self._wanted.update(dict.fromkeys(model.queued, model.size))

    def add(self, fetch: Fetch, size: int) -> None:
        self.decided[fetch.model_id] = fetch
        self._number[fetch.host] += 1
        self._wanted[fetch.host] += size

    def hosts(self, model: ModelView) -> frozenset[str]:
        """Where this model is on its way to."""
        fetch = self.decided.get(model.id)
        return model.coming if fetch is None else frozenset({fetch.host})

    def number(self, host: str) -> int:
        """Models on their way there."""
        return self._number[host]

    def wanted(self, host: str) -> int:
        """Bytes of those that have not begun; what the others will still fill is out of the host's `disk_free`."""
        return self._wanted[host]
