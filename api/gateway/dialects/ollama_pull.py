"""Ollama's `POST /api/pull`: a download job, followed to its end.

Models come from the hub (`hf.co/org/name:QUANT`, or without `hf.co/`), not from Ollama's library.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.deps import Changer, Door, FrontDoor
from api.gateway import model_names
from api.gateway.ollama.following import follow, told
from api.gateway.reading import need, read_object, want
from shared.errors import NotFound
from shared.jobs import service
from shared.jobs.intake import Submission
from shared.keys import Caller
from shared.references import ModelRef
from shared.store.recommended import recommended
from shared.tables import Job, Model
from shared.vocabulary import FINAL_JOB_STATES, Provider

router = APIRouter(tags=["ollama"])


@router.post("/api/pull", response_class=Response)
async def pull(request: Request, door: Door, caller: Changer) -> Response:
    """Download a model; progress is streamed as lines of JSON unless `stream` is false. Leaving does not stop it."""
    asked = await read_object(request)
    name = want(asked, "model", str) or need(asked, "name", str, "it names what to download")
    streamed = want(asked, "stream", bool) is not False
    job_id = await run_in_threadpool(_begin, door, name, caller)
    if job_id is None:
        return told("pulling manifest", "verifying sha256 digest", "writing manifest", "success", streamed=streamed)
    return await follow(request, door, job_id, streamed=streamed)


def _begin(door: FrontDoor, name: str, caller: Caller) -> str | None:
    """The job that downloads it, perhaps one that did so already; `None` when it is here and came from nowhere.

    Only a new one counts as a request of the caller.
    """
    with door.read() as session:
        known = _known(session, name)
        if known is not None and known.provider != Provider.HF:
            return None
        reference = _reference(name, known)
        if (running := _running(session, reference)) is not None:
            return running
        prepared = service.prepare(session, [Submission("download", {"model": reference})], caller.id)
    with door.write(wake=True) as session:
        queued = service.queue(session, prepared)[0]
        door.meter.desk.admit_jobs(session, caller, 1)
        return queued.id


def _known(session: Session, name: str) -> Model | None:
    try:
        return model_names.find(session, name).model
    except NotFound:
        return None


def _reference(name: str, known: Model | None) -> str:
    """Where it comes from: the newest of a model that is here. Raises NotFound for names of Ollama's library."""
    if known is not None:
        return str(ModelRef(provider=Provider.HF, repo=known.repo, file=known.file))
    plain = model_names.plain(name)
    if "/" not in plain:
        words: dict[str, Any] = {"nearest": _alike(plain)}
        raise NotFound(
            f"{name!r} is not on the hub",
            "Ollama's own library is not read; models come from the Hugging Face hub, as hf.co/org/name:QUANT",
            f"pull {words['nearest'][0]}" if words["nearest"] else "search it: cidermill models search " + plain,
            **words,
        )
    return str(ModelRef.parse(plain))


def _alike(name: str) -> list[str]:
    """Recommended models of the same family, as Ollama's clients write them."""
    family = name.partition(":")[0].lower()
    return [one.model.replace("hf:", "hf.co/", 1) for one in recommended() if family in one.model.lower()][:3]


def _running(session: Session, reference: str) -> str | None:
    """A download of the same that is not over yet: whoever asks again follows that."""
    jobs = select(Job).where(Job.kind == "download", Job.state.not_in(FINAL_JOB_STATES)).order_by(Job.id)
    return next((job.id for job in session.scalars(jobs) if job.params.get("model") == reference), None)
