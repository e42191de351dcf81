"""What several shapes have in common: the model and how it is to be loaded. What is found out for one holds for all."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from scheduler.backlog import Backlog
from scheduler.draft import Draft
from scheduler.options import Offers
from scheduler.places import Places
from scheduler.rank import strain
from scheduler.reasons import Reason
from scheduler.refusals import refusal
from scheduler.seat import Seat
from scheduler.views import ModelView, RunView, Shape
from scheduler.wishes import Wish
from shared.runs.need import capped_context
from shared.runtimes import RunSpec
from shared.vocabulary import Capability, Guard, RunState

_Key = tuple[float, int, str]


class Want:
    """A wish, the runs that grant it, and the places where another could be loaded."""

    def __init__(self, draft: Draft, wish: Wish) -> None:
        self.draft, self.wish = draft, wish
        #: What everybody who wants it is told, once nothing more can be done in this plan.
        self.answer: Reason | None = None
        #: Those who would be helped by another copy.
        self.backlog: Backlog | None = None
        self._places: Places | None = None
        self._seen = 0
        self._granting: list[Seat] = []
        self._ready: list[tuple[_Key, Seat]] = []
        self._coming: deque[Seat] = deque()

    @property
    def key(self) -> tuple[str, Capability]:
        return self.wish.model.id, self.wish.capability

    @property
    def places(self) -> Places:
        """Where it could be loaded; worked out when it is first asked for."""
        if self._places is None:
            self._places = Places(self.draft, Offers(self.draft, self.wish))
            self._places.seconds = self._lasting()
        return self._places

    @property
    def settled(self) -> Reason | None:
        """Its answer, unless a run that was placed since has a slot to wait for; no run becomes ready in a plan."""
        return self.answer if self.answer is not None and self.coming_seat() is None else None

    def seats(self) -> list[Seat]:
        """Runs that grant it, ready or not, with free slots or without."""
        self._look()
        return [seat for seat in self._granting if self._takes(seat)]

    def free_seat(self) -> Seat | None:
        """The ready run with least strain on its host and most free slots."""
        self._look()
        while self._ready:
            key, seat = heappop(self._ready)
            if seat.free <= 0 or not self._takes(seat):
                continue
            now = self._rank(seat)
            heappush(self._ready, (now, seat))
            if now <= key or seat is self._ready[0][1]:
                return seat
        return None

    def coming_seat(self) -> Seat | None:
        """The next run that is being loaded and has a slot nobody counts on yet."""
        self._look()
        while self._coming and (self._coming[0].free <= 0 or not self._takes(self._coming[0])):
            self._coming.popleft()
        return self._coming[0] if self._coming else None

    def _look(self) -> None:
        """Take note of runs that were added since."""
        serving = self.draft.serving.get(self.key, [])
        if self._seen == len(serving):
            return
        granting = [seat for seat in serving[self._seen :] if serves(seat.run, self.wish) and self._admits(seat)]
        self._granting += granting
        new = [seat for seat in granting if seat.free > 0 and self._takes(seat)]
        first, self._seen = self._seen == 0, len(serving)
        self._coming += [seat for seat in new if not seat.ready]
        ready = [(self._rank(seat), seat) for seat in new if seat.ready]
        if first:
            self._ready = ready
            heapify(self._ready)
        else:
            for entry in ready:
                heappush(self._ready, entry)

    def _rank(self, seat: Seat) -> _Key:
        host = self.draft.snapshot.hosts[seat.run.host or ""]
        return round(strain(host.load, 0, host.thermal), 1), -seat.free, seat.run.id

    def _takes(self, seat: Seat) -> bool:
        """A run that granted it still does; what a host refused once it refuses for as long as a plan is made."""
        return not (seat.stopped or seat.yielding) and (not self.draft.closing or self._admits(seat))

    def _admits(self, seat: Seat) -> bool:
        """Its host lets it serve whoever wishes this."""
        host = self.draft.snapshot.hosts[seat.run.host or ""]
        if host.guard == Guard.SHEDDING or seat.run.runtime not in host.runtimes:
            return False
        return refusal(self.draft, host, self.wish.terms) is None

    def _lasting(self) -> dict[str, float]:
        """Seconds from the start of a load to the end of its first job, by runtime, as far as both were measured."""
        model, rates = self.wish.model.id, self.draft.snapshot.rates
        return {
            runtime: rate.load + rate.job
            for (of, runtime), rate in (rates.items() if self.draft.due_hosts else ())
            if of == model and rate.load is not None and rate.job is not None
        }


class Wants:
    """Each of them once."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._by_shape: dict[Shape, Want] = {}
        self._by_content: dict[tuple[object, ...], Want] = {}

    def of(self, shape: Shape, model: ModelView) -> Want:
        """What jobs of this shape want."""
        known = self._by_shape.get(shape)
        if known is None:
            wish = Wish.of_shape(shape, model)
            content = (model.id, wish.capability, wish.runtime, wish.terms, _content(wish.spec))
            known = self._by_content.get(content)
            if known is None:
                known = self._by_content[content] = Want(self._draft, wish)
            self._by_shape[shape] = known
        return known

    def __iter__(self) -> Iterator[Want]:
        return iter(self._by_content.values())


def _content(spec: RunSpec) -> tuple[object, ...]:
    """A spec as a value that can be looked up."""
    params = repr(sorted(spec.params.items())) if spec.params else ""
    return spec.context, spec.slots, spec.keep_alive, spec.pinned, params


def serves(run: RunView, wish: Wish) -> bool:
    """It is what is wished for: there, by that runtime, with that much context and those parameters."""
    asked = capped_context(wish.model, wish.spec.context or 0)
    return (
        run.state != RunState.STOPPING
        and wish.runtime in (None, run.runtime)
        and wish.terms.host in (None, run.host)
        # What it was asked to be counts too: an engine may round its context down.
        and max(run.context, run.spec.context or 0) >= asked
        and all(run.spec.params.get(name) == value for name, value in wish.spec.params.items())
    )
