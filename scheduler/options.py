"""Where a run could be loaded at all: which hosts and runtimes, and why not the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from scheduler.draft import Draft
from scheduler.reasons import MOST_HOSTS, Code, HostFact
from scheduler.refusals import no_new_runs, refusal
from scheduler.views import HostView
from scheduler.wishes import Wish
from shared.errors import InvalidParameters
from shared.runs.need import RunSize, size_run
from shared.runtimes import RuntimeInfo
from shared.units import format_bytes
from shared.vocabulary import Format


@dataclass(frozen=True, slots=True)
class Option:
    """One place where a run could be loaded, were its memory free."""

    host: str
    runtime: str
    size: RunSize
    need: int


class _Sizes:
    """The estimate for each runtime; hosts that offer the same one share it."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        # By identity, which is quick; those known are kept, so that no other takes the place of one.
        self._known: dict[int, tuple[RuntimeInfo, RunSize | InvalidParameters]] = {}

    def of(self, info: RuntimeInfo) -> RunSize | InvalidParameters:
        known = self._known.get(id(info))
        if known is None:
            known = self._known[id(info)] = (info, self._size(info))
        return known[1]

    def _size(self, info: RuntimeInfo) -> RunSize | InvalidParameters:
        try:
            return size_run(self._wish.model, info, self._wish.spec, self._wish.model.learned)
        except InvalidParameters as error:
            return error


def find_options(draft: Draft, wish: Wish) -> list[Option]:
    """Every place where it could be loaded, on all hosts or the one asked for."""
    sizes = _Sizes(wish)
    found: list[Option] = []
    for host in _installed(draft, wish):
        if refusal(draft, host, wish.terms) is None and no_new_runs(host, wish.model) is None:
            for info in _able(host, wish):
                size = sizes.of(info)
                if isinstance(size, RunSize):
                    need = size.need.total
                    if need <= host.budget:
                        found.append(Option(host.name, info.name, size, need))
    return found


def find_refusals(draft: Draft, wish: Wish) -> list[HostFact]:
    """Why it could not be loaded, for hosts that are no option: those that have the model, then a few others."""
    hosts, asked = draft.snapshot.hosts, wish.terms.host
    if asked is not None:
        if asked not in hosts:
            return [HostFact(asked, Code.NO_HOST, f"no host is called {asked}")]
        looked_at: Iterable[HostView] = [hosts[asked]]
    else:
        others = (host for name, host in hosts.items() if not wish.model.on(name))
        looked_at = [*_installed(draft, wish), *islice(others, MOST_HOSTS)]
    facts = (refusal(draft, host, wish.terms) or _unable(host, wish) for host in looked_at)
    return [fact for fact in facts if fact is not None]


def _unable(host: HostView, wish: Wish) -> HostFact | None:
    """Why a host that takes work cannot take this; `None` when it can."""
    name, model = host.name, wish.model
    able = _able(host, wish)
    if not able:
        wanted = wish.runtime or f"a runtime that loads {model.format} to {wish.capability}"
        return HostFact(name, Code.NO_RUNTIME, f"{name} does not run {wanted}")
    if not model.on(name):
        return HostFact(name, Code.NOT_INSTALLED, f"{model.name} is not installed on {name}")
    return _too_large(host, wish, able) or no_new_runs(host, model)


def _too_large(host: HostView, wish: Wish, able: list[RuntimeInfo]) -> HostFact | None:
    name, sizes = host.name, _Sizes(wish)
    found = [sizes.of(info) for info in able]
    needs = [size.need.total for size in found if isinstance(size, RunSize)]
    invalid = next((size for size in found if isinstance(size, InvalidParameters)), None)
    if not needs and invalid is not None:
        return HostFact(name, Code.INVALID, invalid.problem.sentence())
    if min(needs) <= host.budget:
        return None
    most, need = format_bytes(host.budget), format_bytes(min(needs))
    return HostFact(name, Code.TOO_SMALL, f"{name} holds {most} at most, {wish.model.name} needs {need}")


def _installed(draft: Draft, wish: Wish) -> Iterable[HostView]:
    """Hosts that have the model, by name, or the one of them that is asked for; the echo model is everywhere."""
    hosts, model = draft.snapshot.hosts, wish.model
    if wish.terms.host is not None:
        host = hosts.get(wish.terms.host)
        return [host] if host is not None and model.on(host.name) else []
    if model.format == Format.ECHO:
        return hosts.values()
    return [hosts[name] for name in sorted(model.hosts) if name in hosts]


def _able(host: HostView, wish: Wish) -> list[RuntimeInfo]:
    """Its runtimes that load the model to do this."""
    return [
        info
        for name, info in host.runtimes.items()
        if wish.runtime in (None, name) and wish.model.format in info.formats and wish.capability in info.capabilities
    ]
