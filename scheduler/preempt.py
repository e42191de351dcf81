"""Who gives way: running work of the last class, for a person who waits. It keeps what it has done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scheduler.draft import Draft
from scheduler.reasons import Code, Reason
from scheduler.seat import Seat
from scheduler.views import AttemptView, JobView
from shared.vocabulary import Priority

#: The least urgent class that may ask for it, and the most urgent that is asked.
ASKING, _ASKED = Priority.INTERACTIVE.rank, Priority.BATCH.rank
#: A job gives way so often at most, then it is left to finish.
MOST_PREEMPTIONS = 3
#: Seconds that a person waits for a slot to come free by itself, before anyone loses work for it …
_BORNE = 2.0
#: … where the chance that one does is at least this.
_CHANCE = 0.2


def give_way(draft: Draft, job: JobView, seats: Iterable[Seat]) -> Reason | None:
    """Have a slot made free for `job` on a run of its model; `None` when nobody gives way.

    Slots that are on their way are waited for before anyone else is asked; so are, for a moment, those likely to come
    free by themselves.
    """
    ready = [seat for seat in seats if seat.ready]
    for seat in ready:
        if seat.vacating:
            seat.vacating -= 1
            return _reason(seat)
    if draft.snapshot.now - job.queued_at < _borne(draft, ready):
        return None
    able = [(attempt, seat) for seat in ready for attempt in seat.attempts if _gives_way(draft, attempt)]
    if not able:
        return None
    attempt, seat = min(able, key=lambda pair: _least_lost(pair[0]))
    draft.preempt(attempt, f"makes room for interactive work on {seat.run.model}")
    seat.vacating += attempt.slots - 1
    return _reason(seat)


def _borne(draft: Draft, ready: Sequence[Seat]) -> float:
    """Seconds to wait first: who gives way loses what it did since its last checkpoint."""
    ends = 0.0
    for seat in ready:
        seconds = draft.forecast.job_seconds(seat.run.model_id, seat.run.runtime)
        ends += seat.run.used * _BORNE / seconds if seconds else 0.0
    return _BORNE if ends >= _CHANCE else 0.0


def clearable(seats: Iterable[Seat], rank: int) -> bool:
    """All that these runs work at gives way to work of class `rank`, or does so already."""
    if rank > ASKING:
        return False
    return all(
        not seat.run.streaming
        and not seat.taken
        and len(seat.attempts) == seat.run.attempts
        and all(attempt.giving_way or _may_be_asked(attempt) for attempt in seat.attempts)
        for seat in seats
    )


def clear(draft: Draft, seats: Iterable[Seat], who: str) -> None:
    """Ask all work on these runs to give way, unless it was asked before."""
    for seat in seats:
        for attempt in seat.attempts:
            if not attempt.giving_way:
                draft.preempt(attempt, f"makes room for {who}")


def _gives_way(draft: Draft, attempt: AttemptView) -> bool:
    asked = any(other.job_id == attempt.job_id for other in draft.preempts)
    return not (attempt.giving_way or asked) and _may_be_asked(attempt)


def _may_be_asked(attempt: AttemptView) -> bool:
    return attempt.preemptible and attempt.rank >= _ASKED and attempt.preemptions < MOST_PREEMPTIONS


def _least_lost(attempt: AttemptView) -> tuple[int, float, str]:
    """The most recent of the least urgent, by id at last."""
    return -attempt.rank, -attempt.started_at, attempt.job_id


def _reason(seat: Seat) -> Reason:
    run = seat.run
    return Reason(Code.GIVING_WAY, f"work of the batch class on {run.model} on {run.host} gives way to it")
