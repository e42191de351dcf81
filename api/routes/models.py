"""Models: what there is, where it lies, and getting more."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, status
from starlette.responses import Response

from api import views
from api.answers import as_json
from api.deps import Admin, Changer, Door, Reader
from api.gateway import model_names
from api.gateway.openai_carrying import models_by_name
from api.schemas.base import DeletedOut, Page
from api.schemas.jobs import JobOut
from api.schemas.models import InstallIn, ModelDetail, ModelOut
from shared import catalog
from shared.grants import check_model, may_use
from shared.jobs import queries, service
from shared.jobs.intake import Submission
from shared.store import leaving

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.head("", include_in_schema=False)
@router.get("")
@router.get("/", include_in_schema=False)
def list_models(
    door: Door,
    caller: Reader,
    aliases: Annotated[bool, Query(description="Also the other names of models, each as a model.")] = True,
) -> Page[ModelOut]:
    """All that the key may use, by name, in the shape of OpenAI's list with our fields added.

    Clients let people choose from what it names.
    """
    with door.read() as session:
        shown = views.model_list(session, catalog.models(session))
        if aliases:
            shown = views.with_aliases(session, shown)
    shown = [model for model in shown if may_use(caller, model.alias_of or model.id, model.id)]
    ends = (shown[0].id, shown[-1].id) if shown else (None, None)
    return Page(data=shown, first_id=ends[0], last_id=ends[1])


@router.post("/install", status_code=status.HTTP_201_CREATED, response_model=JobOut)
def install(body: InstallIn, door: Door, caller: Changer) -> Response:
    """Download a model: a job of kind `download`, whose parameters are the body's fields."""
    submission = Submission(kind="download", params=body.model_dump(exclude={"priority"}), priority=body.priority)
    with door.read() as session:
        prepared = service.prepare(session, [submission], caller.id)
    with door.write(wake=True) as session:
        submitted = service.queue(session, prepared)[0]
        door.meter.desk.admit_jobs(session, caller, 1)
        shown = JobOut.model_validate(queries.find(session, submitted.id))
    return as_json(shown, status.HTTP_201_CREATED, Location=f"/v1/jobs/{submitted.id}")


@router.get("/{name:path}")
def show(name: str, door: Door, caller: Reader) -> ModelDetail:
    """One model, by name, id, reference or any other name that requests may ask for."""
    with models_by_name(), door.read() as session:
        model = model_names.find(session, name, door.settings.default_model).model
        check_model(caller, model.name, name)
        return views.model_detail(session, model)


@router.delete("/{name:path}")
def remove(name: str, door: Door, caller: Admin) -> DeletedOut:
    """Forget a model; refused while runs or jobs use it. Files that only it uses are deleted from the hosts."""
    with models_by_name(), door.write(wake=True) as session:
        model, discards = leaving.remove(session, name)
        service.queue(session, service.prepare(session, discards, caller.id, internal=True))
        return DeletedOut(id=model.name, object="model")
