"""Jobs that need a run: a free slot on one, or patience for one that comes, or a new one."""

from __future__ import annotations

from scheduler.decisions import NewRun
from scheduler.draft import Draft, Seat
from scheduler.loads import Verdict, judge
from scheduler.options import Option, Wish, find_options, find_refusals
from scheduler.placing import fitting, make_room
from scheduler.reasons import Code, Reason, refused
from scheduler.views import JobView, ModelView, RunView, Shape
from shared.errors import NotFound, Problem
from shared.runs.need import capped_context
from shared.vocabulary import RunState

#: Seconds a job waits for a slot before a second copy of its model is loaded elsewhere.
REPLICA_PATIENCE = 5.0


def seat_job(draft: Draft, job: JobView) -> None:
    """Assign a job to a run, or see to it that there will be one, and say why it waits."""
    shape = job.shape
    known = draft.answers.get(shape)
    if known is not None:
        draft.block(job, known)
        return
    model = draft.snapshot.models.get(shape.model_id or "")
    if model is None:
        draft.failures[job.id] = _gone(shape)
        return
    seats = _seats(draft, shape, model)
    seat = max((seat for seat in seats if seat.ready and seat.free > 0), key=_roomiest, default=None)
    if seat is not None:
        draft.assign(job, seat.run.host or "", seat.run.runtime or "", seat)
    elif not _wait_for_coming(draft, job, seats):
        _another(draft, job, model, seats)


def _roomiest(seat: Seat) -> tuple[int, str]:
    return seat.free, seat.run.id


def _seats(draft: Draft, shape: Shape, model: ModelView) -> list[Seat]:
    """Runs that serve jobs of this shape, on hosts that take work."""
    return [
        seat
        for seat in draft.serving[model.id, shape.capability]
        if not seat.stopped and _serves(seat.run, shape, model) and _reachable(draft, seat)
    ]


def _serves(run: RunView, shape: Shape, model: ModelView) -> bool:
    """It is what the job asks for: there, by that runtime, with that much context and those parameters."""
    asked = capped_context(model, shape.spec.context or 0)
    return (
        shape.runtime in (None, run.runtime)
        and shape.host in (None, run.host)
        # What it was asked to be counts too: an engine may round its context down.
        and max(run.context, run.spec.context or 0) >= asked
        and all(run.spec.params.get(name) == value for name, value in shape.spec.params.items())
    )


def _reachable(draft: Draft, seat: Seat) -> bool:
    host = draft.snapshot.hosts[seat.run.host or ""]
    return draft.takes_work(host) and seat.run.runtime in host.runtimes and seat.run.id not in draft.yielding


def _wait_for_coming(draft: Draft, job: JobView, seats: list[Seat]) -> bool:
    """Count on a run that is being loaded, as long as it has room."""
    seat = next((seat for seat in seats if not seat.ready and seat.free > 0), None)
    if seat is None:
        return False
    seat.free -= min(job.slots, seat.free)
    draft.claimed.add(seat.run.host or "")
    draft.block(job, _starting(seat.run))
    return True


def _starting(run: RunView) -> Reason:
    return Reason(Code.STARTING, f"{run.model} is being loaded by {run.runtime} on {run.host}")


def _another(draft: Draft, job: JobView, model: ModelView, seats: list[Seat]) -> None:
    """No run has room: load another, unless the ones there are will do."""
    wish = Wish.of_shape(job.shape, model)
    options = find_options(draft, wish)
    draft.claimed.update(option.host for option in options)
    if seats:
        taken = {seat.run.host for seat in seats}
        elsewhere = [option for option in options if option.host not in taken]
        waited = draft.snapshot.now - job.queued_at
        place = fitting(draft, elsewhere) if waited > REPLICA_PATIENCE else None
        if place is None or _verdicts(draft, job, [place]):
            draft.answer(job, _full(seats))
        else:
            _start(draft, job, wish, place)
        return
    _first(draft, job, wish, options)


def _first(draft: Draft, job: JobView, wish: Wish, everywhere: list[Option]) -> None:
    """The model is loaded nowhere that helps this job."""
    verdicts = _verdicts(draft, job, everywhere)
    options = [option for option in everywhere if option.runtime not in verdicts]
    if not options:
        _refuse(draft, job, wish, list(verdicts.values()))
        return
    place = fitting(draft, options)
    if place is not None:
        _start(draft, job, wish, place)
        return
    waited = draft.snapshot.now - job.queued_at
    draft.answer(job, make_room(draft, options, wish.model.name, waited))


def _refuse(draft: Draft, job: JobView, wish: Wish, verdicts: list[Verdict]) -> None:
    """There is no place for it now; when every runtime has tried in vain, there will be none later either."""
    again = [verdict for verdict in verdicts if verdict.until is not None]
    if verdicts and not again:
        draft.failures[job.id] = _cannot_load(job.shape, verdicts[0].problem)
    elif again:
        draft.answer(job, Reason(Code.BACKOFF, f"loading it failed, tried again soon: {again[0].problem.what}"))
    else:
        draft.answer(job, refused(find_refusals(draft, wish)))


def _verdicts(draft: Draft, job: JobView, options: list[Option]) -> dict[str, Verdict]:
    """What earlier loads say against the runtimes of `options`."""
    loads = [load for load in draft.snapshot.loads if load.model_id == job.shape.model_id]
    verdicts: dict[str, Verdict] = {}
    for runtime in sorted({option.runtime for option in options}) if loads else ():
        verdict = judge((load for load in loads if load.runtime == runtime), job.queued_at, draft.snapshot.now)
        if verdict is not None:
            verdicts[runtime] = verdict
    return verdicts


def _start(draft: Draft, job: JobView, wish: Wish, place: Option) -> None:
    shape, model = job.shape, wish.model
    new = NewRun(model.id, model.name, shape.capability, shape.spec, shape.rank, shape.runtime, shape.host)
    run = RunView(
        f"new:{len(draft.starts)}", RunState.PENDING, model.id, model.name, shape.capability, shape.spec,
        shape.rank, draft.snapshot.now,
    )  # fmt: skip
    seat = draft.start(run, place.host, place.runtime, place.size, new)
    seat.free -= min(job.slots, seat.free)
    draft.block(job, _starting(seat.run))


def _full(seats: list[Seat]) -> Reason:
    slots = sum(seat.run.slots for seat in seats)
    hosts = sorted({seat.run.host or "" for seat in seats})
    where = ", ".join(hosts[:4]) + (f" and {len(hosts) - 4} more hosts" if len(hosts) > 4 else "")
    return Reason(Code.SLOTS, f"waits for a slot: all {slots} of {seats[0].run.model} on {where} are taken")


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
