"""What was seen, as the plan that was made of it leaves it: what the next look is held against.

Slots and places that a plan gave away count as taken from then on. Otherwise work that begins and ends between two
looks would leave everything as it was seen before, and that a slot is free again would be no news.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from scheduler.decisions import Assign
from scheduler.draft import Draft
from scheduler.views import LaneView, QueueView, RunView, Snapshot

_Lane = tuple[str, str]


def left_by(draft: Draft, seen: Snapshot) -> Snapshot:
    """`seen` once `draft` has given its work away; runs that start or stop show by themselves."""
    given = draft.assigns
    if not given:
        return seen
    return replace(seen, runs=_runs(seen.runs, given), lanes=_lanes(seen.lanes, given), queues=_queues(draft, seen))


def _runs(runs: Iterable[RunView], given: Iterable[Assign]) -> tuple[RunView, ...]:
    slots: Counter[str | None] = Counter()
    attempts: Counter[str | None] = Counter()
    for each in given:
        slots[each.run_id] += each.slots
        attempts[each.run_id] += 1
    return tuple(
        run
        if run.id not in slots
        else replace(run, used=run.used + slots[run.id], attempts=run.attempts + attempts[run.id])
        for run in runs
    )


def _lanes(lanes: Mapping[_Lane, LaneView], given: Iterable[Assign]) -> dict[_Lane, LaneView]:
    found = dict(lanes)
    for each in given:
        lane, alone = (each.host, each.runtime), int(each.run_id is None)
        known = found.get(lane, LaneView())
        found[lane] = LaneView(known.attempts + 1, known.without_run + alone)
    return found


def _queues(draft: Draft, seen: Snapshot) -> dict[str, QueueView]:
    begun = draft.limits.begun
    return {name: replace(row, running=row.running + begun.get(name, 0)) for name, row in seen.queues.items()}
