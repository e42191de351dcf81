"""Bringing together what an exclusive job will load, where no host has all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scheduler.draft import Draft
from scheduler.fetching import AT_ONCE, LASTING, as_if_on, begin_fetch, has_store
from scheduler.options import Offers, Option
from scheduler.reasons import Code, HostFact, Reason
from scheduler.transfer import has_waited, sender, transfer_seconds
from scheduler.views import HostView, JobView, ModelView
from scheduler.wishes import Terms, Wish
from shared.units import format_bytes


@dataclass(frozen=True, slots=True)
class _Gap:
    """A host that could do the job, and the models that it lacks for it."""

    seconds: float
    host: str
    models: tuple[ModelView, ...]


def gather(draft: Draft, job: JobView, facts: Iterable[HostFact]) -> Reason | None:
    """What a job that no host can take is told when its models are fetched to one; `None` when they are not.

    `facts` say why no host takes it as things are: while one that has all models may do so soon, it is waited for.
    """
    wishes = _wishes(draft, job)
    if not wishes:
        return None
    gap = min(_gaps(draft, wishes), key=lambda each: (each.seconds, each.host), default=None)
    if gap is None:
        return None
    waited = draft.snapshot.now - job.queued_at
    is_coming = any(gap.host in draft.arrivals.hosts(model) for model in gap.models)
    if not is_coming and not _in_vain(draft, wishes, facts) and not has_waited(gap.seconds, waited):
        return None
    return _fetch(draft, job, gap)


def _wishes(draft: Draft, job: JobView) -> list[Wish]:
    """Each thing it will load; none when a model is gone from the catalog."""
    shape, models = job.shape, draft.snapshot.models
    if any(model_id not in models for model_id, _ in shape.acquires):
        return []
    terms = Terms.of_shape(shape, job.id)
    return [
        Wish(models[model_id], shape.capability, shape.spec, runtime, terms) for model_id, runtime in shape.acquires
    ]


def _gaps(draft: Draft, wishes: list[Wish]) -> Iterable[_Gap]:
    """Hosts that would do the job if they had its models, and can receive what they lack."""
    everywhere = frozenset(draft.snapshot.hosts)
    offers = [Offers(draft, as_if_on(wish, everywhere)) for wish in wishes]
    for host in draft.snapshot.hosts.values():
        missing = {wish.model.id: wish.model for wish in wishes if not wish.model.on(host.name)}
        if missing and _receives(draft, host, missing) and all(_fits(draft, each.of(host.name)) for each in offers):
            coming = [model for model in missing.values() if host.name not in draft.arrivals.hosts(model)]
            seconds = sum(transfer_seconds(draft, model, host.name) for model in coming)
            yield _Gap(seconds, host.name, tuple(missing.values()))


def _receives(draft: Draft, host: HostView, missing: Mapping[str, ModelView]) -> bool:
    if any(model.reference is None or host.name in model.tried for model in missing.values()):
        return False
    left = host.disk_free - draft.disk_taken.get(host.name, 0) - draft.arrivals.wanted(host.name)
    wanted = sum(model.size for model in missing.values() if host.name not in draft.arrivals.hosts(model))
    return host.up and has_store(host) and left >= wanted


def _fits(draft: Draft, options: Iterable[Option]) -> bool:
    """Once everything has left that is not pinned."""
    return any(not crowded(draft, option) for option in options)


def crowded(draft: Draft, option: Option) -> bool:
    """Runs that stay leave too little for it."""
    staying = sum(seat.run.held for seat in draft.seats_on[option.host] if seat.run.pinned)
    return staying + option.need > draft.budgets[option.host].total


def _in_vain(draft: Draft, wishes: list[Wish], facts: Iterable[HostFact]) -> bool:
    """No host has it all that could ever take it, as things are."""
    having = {name for name in draft.snapshot.hosts if all(wish.model.on(name) for wish in wishes)}
    return all(fact.code in LASTING for fact in facts if fact.host in having)


def _fetch(draft: Draft, job: JobView, gap: _Gap) -> Reason:
    """Decide what may begin now, and say what is on its way."""
    for model in gap.models:
        if not draft.arrivals.hosts(model) and draft.arrivals.number(gap.host) < AT_ONCE:
            begin_fetch(draft, model, gap.host, job.shape.rank, job.shape.tolerations)
    names = ", ".join(sorted(model.name for model in gap.models))
    size = format_bytes(sum(model.size for model in gap.models))
    sources = {sender(draft, model) for model in gap.models}
    verb = "are" if len(gap.models) > 1 else "is"
    sentence = f"{names} {verb} being fetched to {gap.host}, {size} from {' and '.join(sorted(sources))}"
    return Reason(Code.FETCHING, sentence, would_help=(f"the transfer to {gap.host} ends",))
