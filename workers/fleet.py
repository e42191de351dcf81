"""The kinds' `FleetStore` over the worker protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.errors import CidermillError, LeaseLost, StaleTransition
from shared.protocol import InstallRecord
from shared.store.wire import Found, Shelf, ShelfFile, Sourced, Sources, Verified
from workers.frontdoor import FrontDoor, patiently


@dataclass(frozen=True)
class AttemptFleet:
    """What the front door knows of models on disks, asked for one attempt."""

    front_door: FrontDoor
    job_id: str
    attempt: int
    worker: str
    raise_if_cancelled: Callable[[], None]
    log: Callable[[str], None]

    def shelf(self) -> Shelf:
        return patiently(self.front_door.shelf, self.raise_if_cancelled)

    def sources(self, ask: Sources) -> Sourced:
        try:
            return self.front_door.sources(ask)
        except CidermillError as error:
            # Where the model was published it can be had without us.
            self.log(f"No host of the fleet could be asked for its copy: {error.problem.what}")
            return Sourced()

    def found(self, searched: Sequence[str], models: Sequence[InstallRecord]) -> list[str]:
        said = Found(searched=list(searched), models=list(models))
        return patiently(lambda: self.front_door.found(said), self.raise_if_cancelled).names

    def verified(self, model_id: str, files: Sequence[ShelfFile], damaged: Sequence[str]) -> None:
        said = Verified(
            job_id=self.job_id, attempt=self.attempt, worker=self.worker, model_id=model_id,
            files=list(files), damaged=list(damaged),
        )  # fmt: skip
        try:
            patiently(lambda: self.front_door.verified(said), self.raise_if_cancelled)
        except StaleTransition as error:
            raise LeaseLost("This attempt is over", str(error), "nothing: it goes on elsewhere") from error
