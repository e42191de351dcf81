"""What Ollama's clients look at: `GET /api/tags`, `POST /api/show`, `GET /api/ps`, `GET /api/version`, `GET /`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api.deps import Door, FrontDoor, Reader
from api.gateway import model_names
from api.gateway.defaults import MESSAGES, SYSTEM
from api.gateway.model_names import Found
from api.gateway.ollama import abilities, described
from api.gateway.ollama.modelfile import modelfile, parameters, talk
from api.gateway.reading import need, read_object, want
from shared import aliases, catalog
from shared.db import clock_time
from shared.grants import check_model, may_use
from shared.keys import Caller
from shared.moments import rfc3339
from shared.tables import HostRuntime, Install, Model, Run, is_live_run
from shared.vocabulary import RunState

router = APIRouter(tags=["ollama"])

#: The version of Ollama whose API this is. Clients refuse old ones and read each part as a number.
_VERSION = "0.12.6"


@router.head("/", include_in_schema=False)
@router.get("/", response_class=PlainTextResponse)
async def root() -> str:
    """What clients ask to find out whether anybody is there; needs no key."""
    return "Ollama is running"


@router.head("/api/version", include_in_schema=False)
@router.get("/api/version")
async def version() -> dict[str, str]:
    """The version of Ollama's API that is spoken; needs no key."""
    return {"version": _VERSION}


@router.head("/api/tags", include_in_schema=False)
@router.get("/api/tags")
def tags(door: Door, caller: Reader) -> dict[str, list[dict[str, Any]]]:
    """The models that can answer or embed, and under which other names, by name."""
    with door.read() as session:
        named = [(model.name, model) for model in catalog.models(session)]
        named += [(alias.name, model) for alias, model in aliases.aliases(session)]
    shown = [
        described.listed(model, name)
        for name, model in named
        if described.chats_or_embeds(model) and may_use(caller, model.name, name)
    ]
    return {"models": sorted(shown, key=lambda one: str(one["name"]))}


@router.post("/api/show")
async def show(request: Request, door: Door, caller: Reader) -> dict[str, Any]:
    """All that is known of a model; older clients call it `name`."""
    asked = await read_object(request)
    name = want(asked, "model", str) or need(asked, "name", str, "it names a model; see GET /api/tags")
    return await run_in_threadpool(_shown, door, caller, name)


@router.get("/api/ps")
def ps(door: Door, caller: Reader) -> dict[str, list[dict[str, Any]]]:
    """The runs that are ready, with the memory they hold and when they end if nobody uses them."""
    with door.read() as session:
        moment = clock_time(session)
        rows = session.execute(
            select(Run, Model, HostRuntime)
            .join(Model, Model.id == Run.model_id)
            .outerjoin(HostRuntime, (HostRuntime.host == Run.host) & (HostRuntime.name == Run.runtime))
            .where(is_live_run, Run.state == RunState.READY)
            .order_by(Run.model, Run.id)
        )
        shown = [
            described.loaded(run, model, bool(runtime and runtime.info.get("gpu")), moment)
            for run, model, runtime in rows
            if described.chats_or_embeds(model) and may_use(caller, model.name)
        ]
    return {"models": shown}


def _shown(door: FrontDoor, caller: Caller, name: str) -> dict[str, Any]:
    with door.read() as session:
        found = model_names.find(session, name, door.settings.default_model)
        check_model(caller, found.model.name, name)
        chat_template = abilities.template(found.model, _here(session, found, door.settings.host_name))
    return {
        "modelfile": modelfile(found),
        "parameters": parameters(found.defaults),
        "template": chat_template or "",
        **({"system": found.defaults[SYSTEM]} if SYSTEM in found.defaults else {}),
        **({"messages": talk(found.defaults)} if MESSAGES in found.defaults else {}),
        "details": described.details(found.model),
        "model_info": described.model_info(found.model),
        "capabilities": abilities.capabilities(found.model, chat_template),
        "modified_at": rfc3339(found.model.created_at),
    }


def _here(session: Session, found: Found, host: str) -> Install | None:
    return session.get(Install, (found.model.id, host))
