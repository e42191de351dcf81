"""The kinds' `FleetStore` over the worker protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.errors import CidermillError, LeaseLost, StaleTransition
from shared.protocol import InstallRecord
from shared.store.wire import Found, Shelf, ShelfFile, Sourced, Sources, Verified
from workers.frontdoor import patiently

if TYPE_CHECKING:
    from workers.context import AttemptContext


class AttemptFleet:
    """What the front door knows of models on disks, asked for one attempt."""

    def __init__(self, context: AttemptContext) -> None:
        self._context = context

    def shelf(self) -> Shelf:
        return patiently(self._context.front_door.shelf, self._context.raise_if_cancelled)

    def sources(self, ask: Sources) -> Sourced:
        try:
            return self._context.front_door.sources(ask)
        except CidermillError as error:
            # Where the model was published it can be had without us.
            self._context.log(f"No host of the fleet could be asked for its copy: {error.problem.what}")
            return Sourced()

    def found(self, searched: Sequence[str], models: Sequence[InstallRecord]) -> list[str]:
        said = Found(searched=list(searched), models=list(models))
        return patiently(lambda: self._context.front_door.found(said), self._context.raise_if_cancelled).names

    def verified(self, model_id: str, files: Sequence[ShelfFile], damaged: Sequence[str]) -> None:
        context = self._context
        said = Verified(
            job_id=context.job_id, attempt=context.attempt, worker=context.worker, model_id=model_id,
            files=list(files), damaged=list(damaged),
        )  # fmt: skip
        try:
            patiently(lambda: context.front_door.verified(said), context.raise_if_cancelled)
        except StaleTransition as error:
            raise LeaseLost("This attempt is over", str(error), "nothing: it goes on elsewhere") from error
