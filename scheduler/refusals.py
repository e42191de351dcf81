"""Why a host takes no work of somebody, whatever memory it has."""

from __future__ import annotations

from scheduler.draft import Draft
from scheduler.rank import TOO_HOT
from scheduler.reasons import Code, HostFact
from scheduler.views import HostView, ModelView
from scheduler.wishes import Terms
from shared.vocabulary import Guard


def refusal(draft: Draft, host: HostView, terms: Terms) -> HostFact | None:
    """Why the host takes no work of this kind now; `None` when it does."""
    if terms.simple and host.name in draft.plain and host.name not in draft.reserved:
        return None
    if draft.takes_work(host, terms.owner):
        return unsuited(host, terms) or _apart(draft, host, terms)
    name = host.name
    if not host.up:
        return HostFact(name, Code.DOWN, f"{name} is down")
    if host.maintenance is not None:
        return HostFact(name, Code.CLOSED, f"{name} is under maintenance: {host.maintenance}")
    if host.draining or host.cordoned:
        word = "draining" if host.draining else "cordoned"
        return HostFact(name, Code.CLOSED, f"{name} is {word}")
    return HostFact(name, Code.RESERVED, f"{name} is kept for exclusive job {draft.reserved[name]}")


def unsuited(host: HostView, terms: Terms) -> HostFact | None:
    """What its labels and taints say against it."""
    name = host.name
    for label, value in terms.selector:
        if host.labels.get(label) != value:
            found = f"it is {host.labels[label]}" if label in host.labels else "it has no such label"
            return HostFact(name, Code.SELECTOR, f"{name} is not {label}={value}: {found}")
    for taint in host.taints:
        if taint not in terms.tolerations:
            return HostFact(name, Code.TAINTED, f"{name} is tainted {taint}, which the job does not tolerate")
    return None


def no_new_runs(host: HostView, model: ModelView) -> HostFact | None:
    """Why nothing, or not this model, is loaded there now."""
    name = host.name
    if model.quarantined and name in model.quarantined:
        return HostFact(name, Code.QUARANTINED, f"{model.name} is barred from {name}: {model.quarantined[name]}")
    if host.guard != Guard.OPEN:
        return HostFact(name, Code.GUARD, f"{name} is short of memory: its guard admits no new run")
    if host.thermal == TOO_HOT:
        return HostFact(name, Code.HOT, f"{name} is too hot for another run")
    return None


def _apart(draft: Draft, host: HostView, terms: Terms) -> HostFact | None:
    if terms.avoid is None or not draft.kept_apart(host, terms.avoid):
        return None
    return HostFact(host.name, Code.APART, f"{host.name} has other work of {terms.avoid}, which is kept apart")
