"""A host that has no fleet around it."""

from __future__ import annotations

from collections.abc import Sequence

from shared.protocol import InstallRecord
from shared.store.wire import Shelf, ShelfFile, Sourced, Sources


class AloneInTheFleet:
    """Nothing on the shelf, and nobody to ask."""

    def shelf(self) -> Shelf:
        return Shelf(models=[])

    def sources(self, ask: Sources) -> Sourced:
        return Sourced()

    def found(self, searched: Sequence[str], models: Sequence[InstallRecord]) -> list[str]:
        return [model.name for model in models]

    def verified(self, model_id: str, files: Sequence[ShelfFile], damaged: Sequence[str]) -> None:
        """Nobody wants to know."""
