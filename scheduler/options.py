"""Where a run could be loaded at all: which hosts and runtimes, and why not the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import NamedTuple

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


class Option(NamedTuple):
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


class Offers:
    """The options of one wish by host, looked at when they are first asked for."""

    def __init__(self, draft: Draft, wish: Wish) -> None:
        self._draft, self._wish, self._sizes = draft, wish, _Sizes(wish)
        self._known: dict[str, tuple[Option, ...]] = {}
        #: Runtimes that load it, with what each needs; hosts that offer the same ones share the answer.
        self._kinds: dict[tuple[int, ...], tuple[tuple[str, RunSize, int], ...]] = {}
        #: Hosts that have the model, by name.
        self.hosts = _installed(draft, wish)
        self._everyone_welcome = wish.terms.simple and not wish.model.quarantined
        needs = [need for host in draft.kinds.values() for _, _, need in self._offered(host)]
        #: What the runtimes of the fleet need for it, at least and at most.
        self.least, self.most = min(needs, default=0), max(needs, default=0)

    def of(self, host: str) -> tuple[Option, ...]:
        """Places on this host, were its memory free; none when it does not take the run."""
        known = self._known.get(host)
        if known is None:
            known = self._known[host] = self._find(host) if host in self.hosts else ()
        if known and self._draft.closing and self._refused(self._draft.snapshot.hosts[host]):
            return ()
        return known

    def runtimes(self) -> set[str]:
        """Of all places."""
        return {option.runtime for host in self.hosts for option in self.of(host)}

    def _find(self, name: str) -> tuple[Option, ...]:
        host = self._draft.snapshot.hosts[name]
        if self._refused(host):
            return ()
        offered, most = self._offered(host), host.budget
        return tuple(Option(name, runtime, size, need) for runtime, size, need in offered if need <= most)

    def _refused(self, host: HostView) -> bool:
        draft = self._draft
        if self._everyone_welcome and host.name in draft.plain and host.name not in draft.reserved:
            return False
        return bool(refusal(draft, host, self._wish.terms) or no_new_runs(host, self._wish.model))

    def _offered(self, host: HostView) -> tuple[tuple[str, RunSize, int], ...]:
        key = self._draft.kind_of[host.name]
        known = self._kinds.get(key)
        if known is None:
            sizes = [(info.name, self._sizes.of(info)) for info in _able(host, self._wish)]
            known = tuple((name, size, size.need.total) for name, size in sizes if isinstance(size, RunSize))
            self._kinds[key] = known
        return known


def find_options(draft: Draft, wish: Wish) -> list[Option]:
    """Every place where it could be loaded, on all hosts or the one asked for."""
    offers = Offers(draft, wish)
    return [option for host in offers.hosts for option in offers.of(host)]


def find_refusals(draft: Draft, wish: Wish) -> list[HostFact]:
    """Why it could not be loaded, for hosts that are no option: those that have the model, then a few others."""
    hosts, asked = draft.snapshot.hosts, wish.terms.host
    if asked is not None:
        if asked not in hosts:
            return [HostFact(asked, Code.NO_HOST, f"no host is called {asked}")]
        looked_at: Iterable[HostView] = [hosts[asked]]
    else:
        others = (host for name, host in hosts.items() if not wish.model.on(name))
        looked_at = [*(hosts[name] for name in sorted(_installed(draft, wish))), *islice(others, MOST_HOSTS)]
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
        elsewhere = f", it can be fetched from {min(model.hosts)}" if model.hosts and model.reference else ""
        return HostFact(name, Code.NOT_INSTALLED, f"{model.name} is not installed on {name}{elsewhere}")
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


def _installed(draft: Draft, wish: Wish) -> Collection[str]:
    """Hosts that have the model, or the one of them that is asked for; the echo model is everywhere."""
    hosts, model, asked = draft.snapshot.hosts, wish.model, wish.terms.host
    if asked is not None:
        return (asked,) if asked in hosts and model.on(asked) else ()
    if model.format == Format.ECHO:
        return hosts.keys()
    return model.hosts & hosts.keys()


def _able(host: HostView, wish: Wish) -> list[RuntimeInfo]:
    """Its runtimes that load the model to do this."""
    return [
        info
        for name, info in host.runtimes.items()
        if wish.runtime in (None, name) and wish.model.format in info.formats and wish.capability in info.capabilities
    ]
