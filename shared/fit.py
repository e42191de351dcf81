"""Could any host ever run this? Asked at submit, so that what never fits is refused with the numbers at once.

Only what a host *is* counts (its runtimes, its whole budget), never what it holds at the moment; and while no host has
registered, nothing is refused: somebody may still join.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from shared.errors import CannotFit, InvalidParameters, NotFound
from shared.nearest import did_you_mean, nearest
from shared.runs.learning import read_peaks
from shared.runs.need import RunSize, size_run
from shared.runtimes import InstalledModel, RunSpec, RuntimeInfo
from shared.tables import Host, HostRuntime
from shared.units import format_bytes
from shared.vocabulary import Capability

#: The budget of the host at its best: what does not fit only because others use its memory now can wait for it.
_AT_BEST = case((Host.capacity > Host.budget, Host.capacity), else_=Host.budget)
_OFFERS = (
    select(Host.name, _AT_BEST, HostRuntime.info)
    .join(HostRuntime, HostRuntime.host == Host.name)
    .order_by(Host.name, HostRuntime.name)
)


@dataclass(frozen=True)
class Offer:
    """One runtime of one host."""

    host: str
    budget: int
    runtime: RuntimeInfo


class Fleet:
    """What the registered hosts offer, read once per use."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def offers(self) -> list[Offer]:
        rows = self._session.execute(_OFFERS)
        return [Offer(name, budget, RuntimeInfo.model_validate(info)) for name, budget, info in rows]

    @cached_property
    def hosts(self) -> set[str]:
        return set(self._session.scalars(select(Host.name)))

    def runtimes(self, model: InstalledModel, capability: Capability) -> list[str]:
        """Runtimes of the fleet that load the model's format for this, by name."""
        return sorted({o.runtime.name for o in self.offers if loads(o.runtime, model, capability)})

    def check_named(self, host: str | None, runtime: str | None) -> None:
        """Raises NotFound for a host nobody joined, CannotFit for a runtime no host offers."""
        if host is not None and host not in self.hosts:
            raise NotFound(
                f"There is no host {host!r}",
                did_you_mean(host, self.hosts),
                "name one of `cidermill hosts ls`, or leave the host out",
                nearest=nearest(host, self.hosts),
            )
        known = {offer.runtime.name for offer in self.offers if host in (None, offer.host)}
        if runtime is not None and known and runtime not in known:
            raise CannotFit(
                f"No host offers the runtime {runtime!r}",
                did_you_mean(runtime, known),
                "name one of those, install the runtime on a host, or leave it out",
                nearest=nearest(runtime, known),
            )

    def check_run(
        self, model: InstalledModel, capability: Capability, spec: RunSpec, runtime: str | None, host: str | None
    ) -> None:
        """Raises InvalidParameters when the model cannot do this, CannotFit when no host could ever hold it."""
        check_capability(model, capability)
        asked = [o for o in self.offers if host in (None, o.host) and runtime in (None, o.runtime.name)]
        able = [offer for offer in asked if loads(offer.runtime, model, capability)]
        if not able:
            if asked:
                raise _nobody_loads(model, capability, asked)
            return
        learned = read_peaks(self._session.connection(), [model.id]).get(model.id, ())
        sizes = [(offer, size_run(model, offer.runtime, spec, learned)) for offer in able]
        if all(size.need.total > offer.budget for offer, size in sizes):
            raise _too_big(model, sizes)


def loads(runtime: RuntimeInfo, model: InstalledModel, capability: Capability) -> bool:
    return model.format in runtime.formats and capability in runtime.capabilities


def check_capability(model: InstalledModel, capability: Capability) -> None:
    """Raises InvalidParameters when the model is known not to do this."""
    if model.capabilities and capability not in model.capabilities:
        raise InvalidParameters(
            f"Model {model.name} cannot {'see' if capability == Capability.VISION else capability}",
            f"it can {', '.join(model.capabilities)}",
            "choose another model: cidermill models ls",
            capabilities=list(model.capabilities),
        )


def _nobody_loads(model: InstalledModel, capability: Capability, asked: list[Offer]) -> CannotFit:
    names = ", ".join(sorted({offer.runtime.name for offer in asked}))
    return CannotFit(
        f"No host can load {model.name} to {capability}",
        f"it is in the {model.format} format, which none of {names} loads for that",
        "install a runtime that does on a host, or another format of the model",
        format=model.format,
    )


def _too_big(model: InstalledModel, sizes: list[tuple[Offer, RunSize]]) -> CannotFit:
    offer, size = min(sizes, key=lambda pair: pair[1].need.total - pair[0].budget)
    need = size.need.total
    return CannotFit(
        f"{model.name} can never fit: it needs {format_bytes(need)}",
        f"the nearest budget is {format_bytes(offer.budget)} on {offer.host}; "
        f"with {offer.runtime.name}, {size.slots} slots of {size.context} tokens it {size.need.sentence()}",
        "ask for less context or fewer slots, choose a smaller model, or add a bigger host",
        needs=need,
        budget=offer.budget,
        host=offer.host,
    )
