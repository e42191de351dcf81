"""Where a run could be loaded at all: which hosts and runtimes, and why not the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.draft import Draft
from scheduler.reasons import Code, HostFact
from scheduler.views import HostView, ModelView, RunView, Shape
from shared.errors import InvalidParameters
from shared.runs.need import RunSize, size_run
from shared.runtimes import RunSpec, RuntimeInfo
from shared.units import format_bytes
from shared.vocabulary import Capability


@dataclass(frozen=True, slots=True)
class Wish:
    """A run that somebody needs."""

    model: ModelView
    capability: Capability
    spec: RunSpec
    runtime: str | None = None
    host: str | None = None
    #: The exclusive job it is for.
    owner: str | None = None

    @classmethod
    def of_shape(cls, shape: Shape, model: ModelView) -> Wish:
        return cls(model, shape.capability, shape.spec, shape.runtime, shape.host)

    @classmethod
    def of_run(cls, run: RunView, model: ModelView) -> Wish:
        return cls(model, run.capability, run.spec, run.wanted_runtime, run.wanted_host, run.owner_job)


@dataclass(frozen=True, slots=True)
class Option:
    """One place where a run could be loaded, were its memory free."""

    host: str
    runtime: str
    size: RunSize

    @property
    def need(self) -> int:
        return self.size.need.total


class _Sizes:
    """The estimate for each runtime; hosts that offer the same one share it."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._known: dict[RuntimeInfo, RunSize | InvalidParameters] = {}

    def of(self, info: RuntimeInfo) -> RunSize | InvalidParameters:
        size = self._known.get(info)
        if size is None:
            try:
                size = size_run(self._wish.model, info, self._wish.spec, self._wish.model.learned)
            except InvalidParameters as error:
                size = error
            self._known[info] = size
        return size


def find_options(draft: Draft, wish: Wish) -> list[Option]:
    """Every place where it could be loaded, on all hosts or the one asked for."""
    sizes = _Sizes(wish)
    found: list[Option] = []
    for host in _asked(draft, wish):
        if wish.model.on(host.name) and draft.takes_work(host, wish.owner):
            for info in _able(host, wish):
                size = sizes.of(info)
                if isinstance(size, RunSize) and size.need.total <= host.budget:
                    found.append(Option(host.name, info.name, size))
    return found


def find_refusals(draft: Draft, wish: Wish) -> list[HostFact]:
    """Why it could not be loaded, for every host that is no option."""
    if wish.host is not None and wish.host not in draft.snapshot.hosts:
        return [HostFact(wish.host, Code.NO_HOST, f"no host is called {wish.host}")]
    facts = (refusal(draft, host, wish.owner) or _unable(host, wish) for host in _asked(draft, wish))
    return [fact for fact in facts if fact is not None]


def refusal(draft: Draft, host: HostView, owner: str | None = None) -> HostFact | None:
    """Why a host takes no work now, whatever it is; `None` when it does."""
    if draft.takes_work(host, owner):
        return None
    name = host.name
    if not host.up:
        return HostFact(name, Code.DOWN, f"{name} is down")
    if host.draining or host.cordoned:
        word = "draining" if host.draining else "cordoned"
        return HostFact(name, Code.CLOSED, f"{name} is {word}")
    return HostFact(name, Code.RESERVED, f"{name} is kept for exclusive job {draft.reserved[name]}")


def _unable(host: HostView, wish: Wish) -> HostFact | None:
    """Why a host that takes work cannot take this; `None` when it can."""
    name, model = host.name, wish.model
    able = _able(host, wish)
    if not able:
        wanted = wish.runtime or f"a runtime that loads {model.format} to {wish.capability}"
        return HostFact(name, Code.NO_RUNTIME, f"{name} does not run {wanted}")
    if not model.on(name):
        return HostFact(name, Code.NOT_INSTALLED, f"{model.name} is not installed on {name}")
    sizes = [_Sizes(wish).of(info) for info in able]
    needs = [size.need.total for size in sizes if isinstance(size, RunSize)]
    invalid = next((size for size in sizes if isinstance(size, InvalidParameters)), None)
    if not needs and invalid is not None:
        return HostFact(name, Code.INVALID, invalid.problem.sentence())
    if min(needs) <= host.budget:
        return None
    most, need = format_bytes(host.budget), format_bytes(min(needs))
    return HostFact(name, Code.TOO_SMALL, f"{name} holds {most} at most, {model.name} needs {need}")


def _asked(draft: Draft, wish: Wish) -> Iterable[HostView]:
    hosts = draft.snapshot.hosts
    if wish.host is None:
        return hosts.values()
    return [hosts[wish.host]] if wish.host in hosts else []


def _able(host: HostView, wish: Wish) -> list[RuntimeInfo]:
    """Its runtimes that load the model to do this."""
    return [
        info
        for name, info in host.runtimes.items()
        if wish.runtime in (None, name) and wish.model.format in info.formats and wish.capability in info.capabilities
    ]
