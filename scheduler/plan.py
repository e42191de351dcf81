"""The plan: from all that is known to all that is decided. Pure: the same snapshot always gives the same plan."""

from __future__ import annotations

from scheduler.crowds import relieve
from scheduler.decisions import Plan
from scheduler.draft import Draft
from scheduler.evict import stop_idle, stop_orphans
from scheduler.exclusive import take_host
from scheduler.guard import shed
from scheduler.lanes import Lanes
from scheduler.lines import Waiting, line_up
from scheduler.pending import place_pending
from scheduler.reasons import Code
from scheduler.replicas import copy_longest
from scheduler.seat import Seat
from scheduler.seating import seat_job
from scheduler.turns import Turn, Turns
from scheduler.views import JobView, RunView, Snapshot
from scheduler.wants import Wants

#: What whoever waits longest is told when it is the next to be helped: it keeps its turn until then.
_NEXT = frozenset(
    {Code.GIVING_WAY, Code.SLOTS, Code.STARTING, Code.FREEING, Code.FETCHING, Code.MEMORY, Code.LANE, Code.OTHERS}
)


def plan(snapshot: Snapshot) -> Plan:
    """Decide for each waiting job and pending run, in order; whoever cannot be helped gets a reason.

    Who comes first in the order takes what is free; nobody behind takes what it waits for.
    """
    return decide(snapshot, line_up(snapshot)).plan()


def decide(snapshot: Snapshot, waiting: Waiting) -> Draft:
    """All decisions about what waits, and what they leave."""
    draft = Draft(snapshot, waiting)
    stop_orphans(draft)
    shed(draft)
    wants = look(draft)
    stop_idle(draft)
    relieve(draft)
    copy_longest(draft, wants)
    return draft


def look(draft: Draft) -> Wants:
    """Decide about each that waits, in order; what they want of models."""
    looking = _Looking(draft)
    looking.at_all()
    return looking.wants


class _Looking:
    """One look at everything that waits, in order."""

    def __init__(self, draft: Draft) -> None:
        waiting = draft.waiting
        self._draft = draft
        self._turns = Turns(waiting.lines, draft.shares, draft.snapshot.now, mixed=waiting.mixed)
        self.wants, self._lanes = Wants(draft), Lanes(draft)

    def at_all(self) -> None:
        while (turn := self._turns.next()) is not None:
            if isinstance(turn.item, RunView):
                place_pending(self._draft, turn.item)
            else:
                self._at(turn, turn.item)

    def _at(self, turn: Turn, job: JobView) -> None:
        """Help a job, or tell it and all that are like it why not."""
        draft = self._draft
        answer = draft.answers.get(job.shape) if job.id not in draft.reserved.values() else None
        reason = answer or draft.limits.hindrance(job.shape)
        if reason is not None:
            draft.answer(job, reason)
        elif not self._assign(turn, job):
            self._blocked(turn, job)
        reason = draft.answers.get(job.shape)
        if reason is None:
            self._turns.put_back(turn.line)
        else:
            draft.blocked_jobs.update((each.id, reason) for each in turn.line.items)

    def _assign(self, turn: Turn, job: JobView) -> bool:
        """Give the job its place, if there is one, and charge its share of the queue."""
        draft = self._draft
        seat: Seat | None = None
        lane: tuple[str, str] | None = None
        if job.shape.exclusive:
            lane = take_host(draft, job)
        elif job.shape.model_id is None:
            lane = self._lanes.place(job)
        else:
            seat = seat_job(draft, self.wants, job)
            lane = (seat.run.host or "", seat.run.runtime or "") if seat else None
        if lane is None:
            return False
        host, runtime = lane
        slots = draft.assign(job, host, runtime, seat)
        cost = draft.forecast.cost(job.shape, runtime, slots)
        draft.shares.charge(job.shape.queue, turn.place, cost, in_turn=turn.in_turn)
        if self._turns.mixed:
            draft.shares.count()
        return True

    def _blocked(self, turn: Turn, job: JobView) -> None:
        """Something may be made ready for it, which counts as its share while this plan is made."""
        reason = self._draft.blocked_jobs.get(job.id)
        if reason is None:
            return
        if reason.code in (Code.STARTING, Code.GIVING_WAY):
            self._draft.shares.lend(job.shape.queue, float(job.slots))
        if not turn.in_turn and reason.code in _NEXT:
            self._turns.settle()
