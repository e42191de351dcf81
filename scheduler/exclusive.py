"""Jobs that want a whole host: it is reserved, empties, and then belongs to them alone."""

from __future__ import annotations

from scheduler.draft import SERVING, Draft
from scheduler.gathering import crowded, gather
from scheduler.options import Option, find_options, find_refusals
from scheduler.reasons import Code, HostFact, Reason, refused
from scheduler.refusals import refusal
from scheduler.seat import Seat
from scheduler.views import HostView, JobView, ModelView, Shape
from scheduler.wishes import Terms, Wish
from shared.vocabulary import RunState


def take_host(draft: Draft, job: JobView) -> tuple[str, str] | None:
    """Reserve a host for an exclusive job; host and lane for it once nobody else is at work there."""
    lanes, facts = _able(draft, job)
    host = next((name for name, owner in draft.reserved.items() if owner == job.id), None)
    if host is None:
        host = _choose(draft, lanes, facts)
        if host is None:
            draft.answer(job, (None if lanes else gather(draft, job, facts)) or refused(facts))
            return None
        draft.reserve(host, job.id)
    elif host not in lanes:
        draft.block(job, refused([fact for fact in facts if fact.host == host]))
        return None
    busy = _empty(draft, host)
    if busy is None:
        return host, lanes[host]
    draft.block(job, busy)
    return None


def _able(draft: Draft, job: JobView) -> tuple[dict[str, str], list[HostFact]]:
    """Hosts that can load everything the job will, with the lane of its first runtime; and why not the others."""
    if not job.shape.acquires:
        return _able_without_run(draft, job)
    lanes: dict[str, str] = {}
    facts: dict[str, HostFact] = {}
    for place, (model_id, runtime) in enumerate(job.shape.acquires):
        options, refusals = _loading(draft, job, model_id, runtime)
        facts = {fact.host: fact for fact in refusals} | facts
        first = {option.host: option.runtime for option in reversed(options)}
        lanes = first if place == 0 else {host: lane for host, lane in lanes.items() if host in first}
    return lanes, list(facts.values())


def _loading(draft: Draft, job: JobView, model_id: str, runtime: str | None) -> tuple[list[Option], list[HostFact]]:
    """Where the job could load one of its models, and why not elsewhere."""
    shape = job.shape
    model = draft.snapshot.models.get(model_id)
    if model is None:
        return [], [HostFact("", Code.NOT_INSTALLED, f"model {model_id} was removed from the catalog")]
    wish = Wish(model, shape.capability, shape.spec, runtime, Terms.of_shape(shape, job.id))
    everywhere = find_options(draft, wish)
    options = [option for option in everywhere if not crowded(draft, option)]
    without_room = {option.host for option in everywhere} - {option.host for option in options}
    return options, find_refusals(draft, wish) + [_pinned_fact(host, model) for host in sorted(without_room)]


def _pinned_fact(host: str, model: ModelView) -> HostFact:
    return HostFact(host, Code.MEMORY, f"the pinned runs of {host} leave too little memory for {model.name}")


def _able_without_run(draft: Draft, job: JobView) -> tuple[dict[str, str], list[HostFact]]:
    lanes: dict[str, str] = {}
    facts: list[HostFact] = []
    for host in draft.snapshot.hosts.values():
        if job.shape.host not in (None, host.name):
            continue
        lane = _lane(host, job.shape)
        why = refusal(draft, host, Terms.of_shape(job.shape, job.id))
        if why is None and lane is None:
            why = HostFact(host.name, Code.NO_RUNTIME, f"{host.name} does not offer {job.shape.capability}")
        if why is not None:
            facts.append(why)
        elif lane is not None:
            lanes[host.name] = lane
    return lanes, facts


def _lane(host: HostView, shape: Shape) -> str | None:
    names = [info.name for info in host.runtimes.values() if shape.capability in info.capabilities]
    return next((name for name in names if shape.runtime in (None, name)), None)


def _choose(draft: Draft, lanes: dict[str, str], facts: list[HostFact]) -> str | None:
    """The host with least to interrupt; one that earlier work waits for is not taken from under it."""
    for host in sorted(draft.claimed & lanes.keys()):
        facts.append(HostFact(host, Code.ORDER, f"{host} is wanted by work ahead of it in the queue"))
    free = lanes.keys() - draft.claimed
    return min(free, key=lambda host: (draft.attempts_on[host], len(_loaded(draft, host)), host), default=None)


def _empty(draft: Draft, host: str) -> Reason | None:
    """End what idles there; why the host is not empty yet, or `None` when it is."""
    for seat in _loaded(draft, host):
        if seat.evictable:
            draft.stop(seat, "an exclusive job has the host")
    attempts = draft.attempts_on[host]
    loaded = [seat.run.model for seat in _loaded(draft, host)]
    if not attempts and not loaded:
        return None
    parts = [f"{attempts} attempts at work" if attempts else "", f"{', '.join(loaded)} loaded" if loaded else ""]
    sentence = f"{host} is kept for it and still has {' and '.join(part for part in parts if part)}"
    return Reason(Code.OTHERS, sentence)


def _loaded(draft: Draft, host: str) -> list[Seat]:
    """Runs of others that will leave; pinned ones stay."""
    return [
        seat
        for seat in draft.seats_on[host]
        if (seat.run.state in SERVING or seat.run.state == RunState.STOPPING) and not seat.run.pinned
    ]
