"""Runs: models loaded on hosts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, status
from starlette.responses import Response

from api import privacy, views
from api.answers import as_json, page
from api.deps import After, Changer, Door, FrontDoor, Limit, Reader
from api.grants import check_model
from api.schemas.base import Page
from api.schemas.runs import RunIn, RunOut
from shared.explanation import Explanation
from shared.grants import capped
from shared.runs import queries, service, state
from shared.runs.explain import explain as explain_run
from shared.runs.service import RunWish
from shared.runs.state import already_over
from shared.vocabulary import RunState

router = APIRouter(prefix="/v1/runs", tags=["runs"])


@router.post("", status_code=status.HTTP_201_CREATED, response_model=RunOut)
def start(body: RunIn, door: Door, caller: Changer) -> Response:
    """Ask for a run; it is `pending` until the scheduler finds memory for it."""
    wish = RunWish(
        model=body.model,
        capability=body.capability,
        runtime=body.runtime,
        host=body.host,
        priority=capped(caller, body.priority),
        spec=body.spec,
    )
    with door.write(wake=True) as session:
        check_model(session, caller, body.model)
        run_id = service.start(session, wish)
    return as_json(_shown(door, run_id), status.HTTP_201_CREATED, Location=f"/v1/runs/{run_id}")


@router.get("")
def list_runs(
    door: Door,
    caller: Reader,
    state: Annotated[list[RunState] | None, Query(description="Any of these states.")] = None,
    model: str | None = None,
    host: str | None = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[RunOut]:
    """The newest first, those that are over too."""
    with door.read() as session:
        found = queries.runs(session, states=state or (), model=model, host=host, after=after, limit=limit + 1)
        return page([privacy.run_out(caller, run) for run in views.run_list(session, found)], limit)


@router.get("/{run_id}")
def show(run_id: str, door: Door, caller: Reader) -> RunOut:
    """One run."""
    return privacy.run_out(caller, _shown(door, run_id))


@router.get("/{run_id}/explain")
def explain(run_id: str, door: Door, caller: Reader) -> Explanation:
    """What it does or waits for: as a sentence, and as data with numbers for each host."""
    with door.read() as session:
        run = queries.find(session, run_id)
        return explain_run(session, run, private=not privacy.is_quiet(caller, run))


@router.post("/{run_id}/stop")
@router.delete("/{run_id}")
def stop(run_id: str, door: Door, caller: Changer) -> RunOut:
    """Unload it: at once when nothing was started, else its worker is told. 409 when it is over."""
    with door.write(wake=True) as session:
        run = queries.find(session, run_id)
        if run.state.final:
            raise already_over(run)
        state.request_stop(session, run_id, "somebody asked for it")
    return _shown(door, run_id)


def _shown(door: FrontDoor, run_id: str) -> RunOut:
    with door.read() as session:
        return views.run_list(session, [queries.find(session, run_id)])[0]
