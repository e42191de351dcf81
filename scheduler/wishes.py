"""What somebody asks for: of a host, and of a run on it."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.views import ModelView, RunView, Shape
from shared.runtimes import RunSpec
from shared.vocabulary import Capability


@dataclass(frozen=True, slots=True)
class Terms:
    """Which hosts will do."""

    host: str | None = None
    selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[str, ...] = ()
    avoid: str | None = None
    #: The exclusive job it is for, which may have a host reserved.
    owner: str | None = None

    @property
    def simple(self) -> bool:
        """Any host that is open to all will do."""
        return not (self.selector or self.avoid or self.owner)

    @classmethod
    def of_shape(cls, shape: Shape, owner: str | None = None) -> Terms:
        return cls(shape.host, shape.selector, shape.tolerations, shape.avoid, owner)


@dataclass(frozen=True, slots=True)
class Wish:
    """A run that somebody needs."""

    model: ModelView
    capability: Capability
    spec: RunSpec
    runtime: str | None = None
    terms: Terms = Terms()

    @classmethod
    def of_shape(cls, shape: Shape, model: ModelView) -> Wish:
        return cls(model, shape.capability, shape.spec, shape.runtime, Terms.of_shape(shape))

    @classmethod
    def of_run(cls, run: RunView, model: ModelView) -> Wish:
        terms = Terms(run.wanted_host, owner=run.owner_job)
        return cls(model, run.capability, run.spec, run.wanted_runtime, terms)
