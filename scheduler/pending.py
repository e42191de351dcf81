"""Runs that people, the gateway or a benchmark have asked for: they take their turn among the jobs."""

from __future__ import annotations

from scheduler.draft import Draft
from scheduler.fetching import fetch_instead
from scheduler.options import Option, find_refusals
from scheduler.placing import Asker, find_place
from scheduler.reasons import Code, Reason, refused
from scheduler.views import RunView
from scheduler.wants import Want
from scheduler.wishes import Wish


def place_pending(draft: Draft, run: RunView) -> None:
    """Place a pending run, or make room for it, and say why it waits."""
    model = draft.snapshot.models.get(run.model_id)
    if model is None:
        draft.block(run, Reason(Code.NOT_INSTALLED, f"{run.model} was removed from the catalog"))
        return
    want = Want(draft, Wish.of_run(run, model))
    waited = draft.snapshot.now - run.created_at
    asker = Asker(want.wish, run.rank, waited)
    found = find_place(draft, want.places, asker)
    if isinstance(found, Option):
        draft.start(run, found.host, found.runtime, found.size)
        return
    if run.owner_job is None:
        draft.claimed.update(want.places.hosts)
    found = fetch_instead(draft, asker, found) or found
    draft.block(run, found or refused(find_refusals(draft, want.wish)))
