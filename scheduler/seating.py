"""Jobs that need a run: a free slot on one, or patience for one that comes, or a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from scheduler.backlog import Backlog
from scheduler.draft import Draft
from scheduler.fetching import fetch_copy, fetch_instead
from scheduler.loading import load_for, starting
from scheduler.loads import Verdict, judge
from scheduler.options import Option, find_refusals
from scheduler.placing import Asker, find_place
from scheduler.preempt import ASKING, give_way
from scheduler.reasons import Code, Reason, refused
from scheduler.seat import Seat
from scheduler.views import JobView, Shape
from scheduler.wants import Want, Wants
from shared.errors import NotFound, Problem

#: What those are told for whom memory is kept; the first host it names is where.
_KEPT = frozenset({Code.FREEING, Code.FETCHING, Code.MEMORY, Code.GIVING_WAY})


def seat_job(draft: Draft, wants: Wants, job: JobView) -> Seat | None:
    """Assign a job to a run and return its seat, or see to it that there will be one and say why it waits."""
    shape = job.shape
    model = draft.snapshot.models.get(shape.model_id or "")
    if model is None:
        draft.failures[job.id] = _gone(shape)
        return None
    want = wants.of(shape, model)
    settled = want.settled if shape.rank > ASKING else None
    if settled is not None:
        draft.answer(job, settled)
        return None
    seat = want.free_seat()
    if seat is not None:
        return seat
    if not _wait_for_coming(draft, want, job):
        _another(draft, want, job)
    return None


def _wait_for_coming(draft: Draft, want: Want, job: JobView) -> bool:
    """Count on a run that is being loaded, as long as it has room."""
    seat = want.coming_seat()
    if seat is None:
        return False
    seat.free -= min(job.slots, seat.free)
    draft.claimed.add(seat.run.host or "")
    draft.block(job, starting(seat.run))
    return True


def _another(draft: Draft, want: Want, job: JobView) -> None:
    """No run has room: load another, unless the ones there are will do."""
    giving = give_way(draft, job, want.seats()) if job.shape.rank <= ASKING else None
    if giving is not None:
        draft.block(job, giving)
        return
    if want.answer is not None:
        draft.answer(job, want.answer)
        return
    seats = want.seats()
    draft.claimed.update(want.places.hosts)
    hindrance = draft.limits.hindrance(job.shape, coming=True)
    if hindrance is not None:
        draft.answer(job, hindrance)
    elif seats:
        _replicate(draft, want, job, seats)
    else:
        _load(draft, want, job)


def _replicate(draft: Draft, want: Want, job: JobView, seats: list[Seat]) -> None:
    """Ask for a copy, which is decided on once everybody has asked; fetch the model where only that would help."""
    verdicts = _verdicts(draft, want, job)
    want.backlog = Backlog(job, verdicts.keys())
    full = _full(draft, want, seats)
    fetched = fetch_copy(draft, want, _asker(draft, want, job, verdicts), seats)
    _tell(draft, want, job, replace(full, sentence=f"{full.sentence}; {fetched.sentence}") if fetched else full)


def _load(draft: Draft, want: Want, job: JobView) -> None:
    """The model is loaded nowhere that helps this job."""
    verdicts = _verdicts(draft, want, job)
    asker = _asker(draft, want, job, verdicts)
    found = find_place(draft, want.places, asker)
    if isinstance(found, Option):
        load_for(draft, want.wish.model, job, found)
        return
    reason = fetch_instead(draft, asker, found) or found
    if reason is not None:
        _tell(draft, want, job, reason)
    else:
        _refuse(draft, want, job, list(verdicts.values()))


def _asker(draft: Draft, want: Want, job: JobView, verdicts: Mapping[str, Verdict]) -> Asker:
    return Asker(want.wish, job.shape.rank, draft.snapshot.now - job.queued_at, verdicts.keys())


def _tell(draft: Draft, want: Want, job: JobView, reason: Reason) -> None:
    """Nothing more can be done for anyone who wants the same."""
    want.answer = reason
    draft.answer(job, reason)
    if reason.code in _KEPT and reason.hosts:
        draft.promises[job.shape] = reason.hosts[0].host


def _refuse(draft: Draft, want: Want, job: JobView, verdicts: list[Verdict]) -> None:
    """There is no place for it now; when every runtime has tried in vain, there will be none later either."""
    again = [verdict for verdict in verdicts if verdict.until is not None]
    if verdicts and not again:
        draft.failures[job.id] = _cannot_load(job.shape, verdicts[0].problem)
    elif again:
        # Told to this shape only: verdicts depend on when a job was queued.
        draft.answer(job, Reason(Code.BACKOFF, f"loading it failed, tried again soon: {again[0].problem.what}"))
    else:
        _tell(draft, want, job, refused(find_refusals(draft, want.wish), unnamed=0))


def _verdicts(draft: Draft, want: Want, job: JobView) -> dict[str, Verdict]:
    """What earlier loads say against the runtimes that could load it."""
    loads = [load for load in draft.snapshot.loads if load.model_id == want.wish.model.id]
    verdicts: dict[str, Verdict] = {}
    for runtime in sorted(want.places.runtimes()) if loads else ():
        verdict = judge((load for load in loads if load.runtime == runtime), job.queued_at, draft.snapshot.now)
        if verdict is not None:
            verdicts[runtime] = verdict
    return verdicts


def _full(draft: Draft, want: Want, seats: list[Seat]) -> Reason:
    slots = sum(seat.run.slots for seat in seats)
    hosts = sorted({seat.run.host or "" for seat in seats})
    where = ", ".join(hosts[:4]) + (f" and {len(hosts) - 4} more hosts" if len(hosts) > 4 else "")
    sentence = f"waits for a slot: all {slots} of {seats[0].run.model} on {where} are taken"
    seconds = draft.forecast.job_seconds(want.wish.model.id, seats[0].run.runtime)
    each = seconds / max(slots, 1) if seconds is not None else None
    return Reason(Code.SLOTS, sentence, would_help=(f"a job of {seats[0].run.model} ends",), seconds=each, each=each)


def _gone(shape: Shape) -> Problem:
    return NotFound(
        f"The model {shape.model or shape.model_id} is gone",
        "it was removed from the catalog while the job waited",
        "install it again and retry the job: cidermill models pull, then cidermill jobs retry",
    ).problem


def _cannot_load(shape: Shape, cause: Problem) -> Problem:
    return cause.model_copy(
        update={
            "what": f"{shape.model or shape.model_id} could not be loaded: {cause.what}",
            "retryable": False,
            "crash": False,
        }
    )
