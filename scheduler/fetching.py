"""Fetching a model to a host that lacks it, where that takes less time than to wait for a host that has it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from scheduler.decisions import Fetch
from scheduler.draft import Draft
from scheduler.options import Offers, Option, find_refusals
from scheduler.places import Places
from scheduler.placing import Asker
from scheduler.reasons import Code, Reason
from scheduler.replicas import wait_for_slot
from scheduler.seat import Seat
from scheduler.transfer import has_waited, sender, transfer_seconds
from scheduler.views import HostView, ModelView
from scheduler.wants import Want
from scheduler.wishes import Wish
from shared.units import format_bytes
from shared.vocabulary import Capability

#: Models that are on their way to one host at a time.
AT_ONCE = 2

#: What keeps a model off hosts that have it for good, so that waiting for them is in vain.
LASTING = frozenset(
    {Code.TOO_SMALL, Code.TAINTED, Code.QUARANTINED, Code.SELECTOR, Code.NOT_INSTALLED, Code.NO_RUNTIME, Code.INVALID}
)


def fetch_instead(draft: Draft, asker: Asker, found: Reason | None) -> Reason | None:
    """What whoever waits for memory, or found no host at all, is told when the model is fetched for him; or `None`."""
    if found is not None and found.code != Code.MEMORY:
        return None
    place = _place(draft, asker)
    if place is None or not (_is_coming(draft, asker, place) or _is_sooner(draft, asker, place, found)):
        return None
    return _fetch(draft, asker, place, found)


def fetch_copy(draft: Draft, want: Want, asker: Asker, seats: Collection[Seat]) -> Reason | None:
    """The same for another copy beside those that are full, once each host that has the model has one."""
    wait = wait_for_slot(draft, want, list(seats))
    if wait is None or want.places.left({seat.run.host or "" for seat in seats}):
        return None
    place = _place(draft, asker)
    if place is None:
        return None
    model = asker.wish.model
    load = draft.forecast.load_seconds(model.id, place.runtime, place.need)
    costs = transfer_seconds(draft, model, place.host) + load
    return _fetch(draft, asker, place, None) if _is_coming(draft, asker, place) or wait > costs else None


def _place(draft: Draft, asker: Asker) -> Option | None:
    """Where it would fit now, were it there: the host that it is on its way to, or the best that could receive it."""
    wish = asker.wish
    # Whose host is reserved waits for that one; and what failed to load here would fail there.
    if wish.model.reference is None or wish.terms.owner is not None or asker.skip:
        return None
    coming = draft.arrivals.hosts(wish.model)
    if coming:
        return min(_offers(draft, wish, coming), default=None)
    receivers = frozenset(host.name for host in draft.snapshot.hosts.values() if _receives(draft, host, wish.model))
    return Places(draft, Offers(draft, as_if_on(wish, receivers))).fitting()


def _offers(draft: Draft, wish: Wish, hosts: frozenset[str]) -> list[Option]:
    offers = Offers(draft, as_if_on(wish, hosts))
    return [option for host in offers.hosts for option in offers.of(host)]


def as_if_on(wish: Wish, hosts: frozenset[str]) -> Wish:
    """The same wish, were its model on the disks of these hosts."""
    return replace(wish, model=replace(wish.model, hosts=hosts))


def _receives(draft: Draft, host: HostView, model: ModelView) -> bool:
    """Its store is at work and has a disk with room for the model, beside all that is on its way there."""
    name, arrivals = host.name, draft.arrivals
    if not host.up or name in model.hosts or name in model.tried or arrivals.number(name) >= AT_ONCE:
        return False
    free = host.disk_free - draft.disk_taken.get(name, 0) - arrivals.wanted(name)
    return has_store(host) and free >= model.size


def has_store(host: HostView) -> bool:
    """Whether its store is at work, so that models can come there."""
    return any(Capability.STORE in info.capabilities for info in host.runtimes.values())


def begin_fetch(draft: Draft, model: ModelView, host: str, rank: int, tolerations: tuple[str, ...]) -> None:
    """Decide it, unless the model is on its way to a host: it is fetched to one at a time."""
    if not draft.arrivals.hosts(model):
        fetch = Fetch(model.id, model.name, host, model.reference or "", rank, tolerations)
        draft.arrivals.add(fetch, model.size)


def _is_coming(draft: Draft, asker: Asker, place: Option) -> bool:
    return place.host in draft.arrivals.hosts(asker.wish.model)


def _is_sooner(draft: Draft, asker: Asker, place: Option, found: Reason | None) -> bool:
    """The transfer ends before the wait, as far as anybody knows how long that is."""
    transfer = transfer_seconds(draft, asker.wish.model, place.host)
    if found is not None and found.seconds is not None:
        return found.seconds > transfer
    if found is None and _in_vain(draft, asker.wish):
        return True
    return has_waited(transfer, asker.waited)


def _in_vain(draft: Draft, wish: Wish) -> bool:
    """No host has it that could ever take it, as things are."""
    facts = (fact for fact in find_refusals(draft, wish) if fact.host in wish.model.hosts)
    return all(fact.code in LASTING for fact in facts)


def _fetch(draft: Draft, asker: Asker, place: Option, found: Reason | None) -> Reason:
    """Decide it, unless it is under way; and say so."""
    wish, model, host = asker.wish, asker.wish.model, place.host
    begin_fetch(draft, model, host, asker.rank, wish.terms.tolerations)
    sentence = f"{model.name} is being fetched to {host}, {format_bytes(model.size)} from {sender(draft, model)}"
    help_ = (f"the transfer to {host} ends",)
    return Reason(Code.FETCHING, sentence, place.need, found.hosts if found else (), help_)
