"""What happens, as it happens: streams of events and logs that a client can leave and come back to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.deps import Door, EventNumber, FrontDoor, Reader, front_door
from api.errors import NO_DATABASE
from api.events import Place, Topic
from api.lasting import Pages, lasting
from api.privacy import check_open, readable
from api.schemas.jobs import EventOut
from api.sse import IDLE, KEEP_ALIVE, MEDIA_TYPE, LiveResponse, frame, resume_from
from shared.jobs import queries as jobs
from shared.keys import Caller
from shared.runs import queries as runs
from shared.tables import Event, Job, Run

router = APIRouter(tags=["events"])

#: Seconds between two looks at the progress of a job that somebody follows.
_GLANCE = 1.0
_PLAIN = "text/plain; charset=utf-8"

Follow = Annotated[bool, Query(description="Stay for what comes; false: end with what there is.")]
Types = Annotated[list[str] | None, Query(alias="type", description="Only events of these types.")]


@router.get("/v1/events", response_class=Response)
async def all_events(
    request: Request,
    door: Door,
    caller: Reader,
    job: str | None = None,
    run: str | None = None,
    types: Types = None,
    after: EventNumber = None,
    follow: Follow = True,
) -> Response:
    """Everything, from now on or after `Last-Event-ID` (else `?after=`); a comment every 15 s keeps it open."""
    topic = Topic(job_id=job, run_id=run, types=tuple(types or ()))
    start = resume_from(request, after)
    if not follow:
        return LiveResponse(_frames(_open(door, caller, _kept(door, topic, start or 0))), MEDIA_TYPE)
    pages = lasting(door.feed, start, lambda place: _open(door, caller, _followed(request, topic, place, IDLE)))
    return LiveResponse(_frames(pages), MEDIA_TYPE)


@router.get("/v1/jobs/{job_id}/events", response_class=Response)
async def job_events(
    job_id: str, request: Request, door: Door, caller: Reader, after: EventNumber = None, follow: Follow = True
) -> Response:
    """One job from its beginning, with its progress; ends with the job. 204 when there is nothing more to come."""
    topic, start = Topic(job_id=job_id), resume_from(request, after) or 0
    final = await run_in_threadpool(_is_final, door, job_id)
    if not final and follow:
        pages = lasting(
            door.feed, start, lambda place: _open(door, caller, _until_final(request, topic, place, _GLANCE))
        )
        return LiveResponse(_job_frames(door, job_id, pages), MEDIA_TYPE)
    if final and start and not await run_in_threadpool(door.feed.read, topic, start):
        # 204 is what tells a browser's EventSource not to come back.
        return Response(status_code=204)
    return LiveResponse(_frames(_open(door, caller, _kept(door, topic, start))), MEDIA_TYPE)


@router.get("/v1/jobs/{job_id}/logs", response_class=Response)
async def job_logs(job_id: str, request: Request, door: Door, caller: Reader, follow: Follow = False) -> Response:
    """Its log lines, of all attempts, for who submitted it."""
    final = await run_in_threadpool(_is_final_and_open, door, job_id, caller)
    topic = Topic(job_id=job_id)
    if follow and not final:
        pages = lasting(door.feed, 0, lambda place: _until_final(request, topic, place, IDLE))
    else:
        pages = _kept(door, topic, 0)
    return LiveResponse(_lines(pages, "job.log"), _PLAIN)


@router.get("/v1/runs/{run_id}/logs", response_class=Response)
async def run_logs(run_id: str, request: Request, door: Door, caller: Reader, follow: Follow = False) -> Response:
    """What its process wrote; for keys that are no admin's, until it was ready: after that it may quote requests."""
    topic = Topic(run_id=run_id)
    over = await run_in_threadpool(_is_over, door, run_id)
    if follow and not over:
        pages = lasting(door.feed, 0, lambda place: _open(door, caller, _until_final(request, topic, place, IDLE)))
    else:
        pages = _open(door, caller, _kept(door, topic, 0))
    return LiveResponse(_lines(pages, "run.log"), _PLAIN)


def _is_final(door: FrontDoor, job_id: str) -> bool:
    with door.read() as session:
        return jobs.find(session, job_id).state.final


def _is_final_and_open(door: FrontDoor, job_id: str, caller: Caller) -> bool:
    with door.read() as session:
        job = jobs.find(session, job_id)
        check_open(caller, job)
        return job.state.final


def _is_over(door: FrontDoor, run_id: str) -> bool:
    with door.read() as session:
        return runs.find(session, run_id).state.final


async def _kept(door: FrontDoor, topic: Topic, after: int) -> Pages:
    """What there is, a page at a time."""
    while page := await run_in_threadpool(door.feed.read, topic, after):
        yield page
        after = page[-1].seq


async def _open(door: FrontDoor, caller: Caller, pages: Pages) -> Pages:
    """The same pages without what is not the caller's."""
    async for page in pages:
        yield await readable(door, caller, page)


async def _followed(request: Request, topic: Topic, place: Place, idle: float) -> Pages:
    """What comes, an empty page after each `idle` seconds, until the caller's key works no more."""
    door = front_door(request)
    async for page in door.feed.follow(topic, place, idle):
        if not await door.auth.still_reads(request):
            break
        yield page


async def _until_final(request: Request, topic: Topic, place: Place, idle: float) -> Pages:
    """What there is and what comes, until the job or run is over."""
    door = front_door(request)
    after = place.after or 0
    async for page in _followed(request, topic, place, idle):
        yield page
        after = page[-1].seq if page else after
        ended = any(event.type in _ENDS for event in page)
        if (ended or not page) and await run_in_threadpool(_has_ended, door, topic):
            break
    if await door.auth.still_reads(request):
        # It may have ended while nothing was heard, and the feed may wait for what others write.
        async for page in _kept(door, topic, after):
            yield page


_ENDS = frozenset({"job.succeeded", "job.failed", "job.cancelled", "run.stopped", "run.failed"})


def _has_ended(door: FrontDoor, topic: Topic) -> bool:
    """What is forgotten while it is followed was over before."""
    with door.read() as session:
        row = session.get(Run, topic.run_id) if topic.job_id is None else session.get(Job, topic.job_id)
        return row is None or row.state.final


async def _frames(pages: Pages) -> AsyncIterator[bytes]:
    async for page in pages:
        yield b"".join(_frame(event) for event in page) or KEEP_ALIVE


async def _job_frames(door: FrontDoor, job_id: str, pages: Pages) -> AsyncIterator[bytes]:
    """The job's events, and between them its progress whenever that changed; progress has no number."""
    told, silent = None, 0.0
    async for page in pages:
        frames = b"".join(_frame(event) for event in page)
        progress = await run_in_threadpool(_progress, door, job_id)
        if progress is not None and progress != told:
            told = progress
            frames += frame(progress, name="job.progress")
        silent = 0.0 if frames else silent + _GLANCE
        if silent >= IDLE:
            frames, silent = KEEP_ALIVE, 0.0
        if frames:
            yield frames


def _progress(door: FrontDoor, job_id: str) -> dict[str, object] | None:
    """`None` of a job that is forgotten, and while the database is away."""
    try:
        with door.read() as session:
            job = session.get(Job, job_id)
    except NO_DATABASE:
        return None
    if job is None:
        return None
    return {"job_id": job.id, "state": job.state, "phase": job.phase, "progress": job.progress}


def _frame(event: Event) -> bytes:
    return frame(EventOut.model_validate(event).model_dump(), name=event.type, number=event.seq)


async def _lines(pages: Pages, type_: str) -> AsyncIterator[bytes]:
    """Log lines only; silence stays silence, for plain text knows no comments."""
    async for page in pages:
        lines = [line for event in page if event.type == type_ for line in event.data.get("lines", [])]
        if lines:
            yield ("\n".join(lines) + "\n").encode(errors="replace")
