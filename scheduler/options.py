"""Where a run could be loaded at all: which hosts and runtimes, and why not the others."""

from __future__ import annotations

from collections.abc import Iterator
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


@dataclass(frozen=True, slots=True)
class Options:
    """All places, and why the other hosts are none."""

    options: tuple[Option, ...]
    refusals: tuple[HostFact, ...]

    @property
    def need(self) -> int | None:
        """Bytes it needs where it needs least; `None` when nothing could load it."""
        return min((option.need for option in self.options), default=None)


def find_options(draft: Draft, wish: Wish) -> Options:
    """Look at every host, or only at the one asked for."""
    if wish.host is not None and wish.host not in draft.snapshot.hosts:
        return Options((), (HostFact(wish.host, Code.NO_HOST, f"no host is called {wish.host}"),))
    options: list[Option] = []
    refusals: list[HostFact] = []
    sizes: dict[RuntimeInfo, RunSize] = {}
    for host in draft.snapshot.hosts.values():
        if wish.host not in (None, host.name):
            continue
        found = refusal(draft, host, wish.owner) or list(_on_host(host, wish, sizes))
        if isinstance(found, HostFact):
            refusals.append(found)
            continue
        options += [each for each in found if isinstance(each, Option)]
        if not any(isinstance(each, Option) for each in found):
            refusals += [each for each in found if isinstance(each, HostFact)]
    return Options(tuple(options), tuple(refusals))


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


def _on_host(host: HostView, wish: Wish, sizes: dict[RuntimeInfo, RunSize]) -> Iterator[Option | HostFact]:
    able = [info for info in host.runtimes.values() if _loads(info, wish)]
    if not able:
        wanted = wish.runtime or f"a runtime that loads {wish.model.format} to {wish.capability}"
        yield HostFact(host.name, Code.NO_RUNTIME, f"{host.name} does not run {wanted}")
    elif not wish.model.on(host.name):
        yield HostFact(host.name, Code.NOT_INSTALLED, f"{wish.model.name} is not installed on {host.name}")
    else:
        for info in able:
            yield _sized(host, info, wish, sizes)


def _sized(host: HostView, info: RuntimeInfo, wish: Wish, sizes: dict[RuntimeInfo, RunSize]) -> Option | HostFact:
    """Hosts that offer the same runtime share one estimate."""
    size = sizes.get(info)
    if size is None:
        try:
            size = sizes[info] = size_run(wish.model, info, wish.spec)
        except InvalidParameters as error:
            return HostFact(host.name, Code.INVALID, error.problem.sentence())
    if size.need.total > host.budget:
        most, need = format_bytes(host.budget), format_bytes(size.need.total)
        return HostFact(host.name, Code.TOO_SMALL, f"{host.name} holds {most} at most, {info.name} needs {need}")
    return Option(host.name, info.name, size)


def _loads(info: RuntimeInfo, wish: Wish) -> bool:
    return (
        wish.runtime in (None, info.name) and wish.model.format in info.formats and wish.capability in info.capabilities
    )
