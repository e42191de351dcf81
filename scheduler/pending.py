"""Runs that people, the gateway or a benchmark have asked for: they take their turn among the jobs."""

from __future__ import annotations

from scheduler.draft import Draft
from scheduler.options import Wish, find_options, find_refusals
from scheduler.placing import fitting, make_room
from scheduler.reasons import Code, Reason, refused
from scheduler.views import RunView


def place_pending(draft: Draft, run: RunView) -> None:
    """Place a pending run, or make room for it, and say why it waits."""
    model = draft.snapshot.models.get(run.model_id)
    if model is None:
        draft.block(run, Reason(Code.NOT_INSTALLED, f"{run.model} was removed from the catalog"))
        return
    wish = Wish.of_run(run, model)
    options = find_options(draft, wish)
    if not options:
        draft.block(run, refused(find_refusals(draft, wish)))
        return
    place = fitting(draft, options)
    if place is not None:
        draft.start(run, place.host, place.runtime, place.size)
        return
    if run.owner_job is None:
        draft.claimed.update(option.host for option in options)
    waited = draft.snapshot.now - run.created_at
    draft.block(run, make_room(draft, options, run.model, waited))
