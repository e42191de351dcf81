"""The worker protocol, as `shared/protocol.py` says it: what agents and workers call.

These are the hottest routes. Each is one transaction in one thread, and its answer is written once.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.answers import as_json
from api.deps import Door, FrontDoor, WorkerHost
from api.downloads import send_file
from shared import catalog, files, hosts, protocol
from shared.files import Sink
from shared.host_address import Origin
from shared.jobs import state as jobs
from shared.jobs import work
from shared.protocol import Accepted, AttemptRef
from shared.runs import service as runs
from shared.runs import state as run_state
from shared.runtimes import RunSpec
from shared.tables import Job
from shared.units import MIB
from shared.vocabulary import Guard

router = APIRouter(prefix="/worker/v1", tags=["worker protocol"])

_CHUNK = MIB


# --- the agent ---------------------------------------------------------------------------------


@router.post("/register", response_model=protocol.Registered)
def register(said: protocol.Register, request: Request, door: Door, host: WorkerHost) -> Response:
    settings = door.settings
    origin = Origin(request.client.host if request.client is not None else "", settings.host_networks)
    with door.write(wake=True) as session:
        hosts.register(session, host, said, settings, origin)
    redis_url = settings.advertise_redis_url or settings.redis_url
    return as_json(
        protocol.Registered(
            host=host,
            redis_url=redis_url.get_secret_value() if redis_url is not None else "",
            namespace=settings.namespace,
            lease_seconds=settings.lease_seconds,
            sync_seconds=settings.sync_seconds,
        )
    )


@router.post("/sync", response_model=protocol.Synced)
def sync(said: protocol.Sync, door: Door, host: WorkerHost) -> Response:
    urgent = bool(said.dead_runs or said.dead_workers or said.guard == Guard.SHEDDING)
    with door.write(wake=urgent) as session:
        answer = hosts.sync(session, host, said, door.settings)
    return as_json(answer)


# --- attempts ----------------------------------------------------------------------------------


@router.post("/claim", response_model=protocol.Claimed)
def claim(said: protocol.Claim, door: Door, host: WorkerHost) -> Response:
    lease = door.settings.lease_seconds
    with door.write() as session:
        assignments, waits = work.claim(session, host, said, lease)
    for kind, seconds in waits:
        door.metrics.waits.labels(kind).observe(seconds)
    return as_json(protocol.Claimed(assignments=assignments, lease_seconds=lease))


@router.post("/finish", response_model=protocol.Finished)
def finish(said: protocol.Finish, door: Door, host: WorkerHost) -> Response:
    with door.write(wake=True) as session:
        verdicts = work.finish(session, host, said.worker, said.attempts, door.settings.max_crashes)
    accepted = [v == protocol.Verdict.ACCEPTED for v in verdicts]
    door.meter.finished(job.job_id for job, told in zip(said.attempts, accepted, strict=True) if told and job.result)
    return as_json(protocol.Finished(verdicts=verdicts))


@router.post("/items", response_model=protocol.Accepted)
def items(said: protocol.Items, door: Door, host: WorkerHost) -> Response:
    with door.write() as session:
        fresh = jobs.checkpoint(session, host, said.worker, said, said.items)
    door.meter.kept(said.job_id, fresh or ())
    return as_json(Accepted(accepted=fresh is not None))


@router.post("/items/recall", response_model=protocol.Recalled)
def recall(said: protocol.Recall, door: Door, host: WorkerHost) -> Response:
    with door.read() as session:
        found = work.recall(session, host, said)
    return as_json(found)


@router.post("/output", response_model=protocol.Accepted)
def output(said: protocol.Output, door: Door, host: WorkerHost) -> Response:
    with door.write() as session:
        accepted = work.output(session, host, said)
    return as_json(Accepted(accepted=accepted))


# --- runs --------------------------------------------------------------------------------------


@router.post("/runs/tend", response_model=protocol.RunOrder)
def tend(said: protocol.Tend, door: Door, host: WorkerHost) -> Response:
    lease = door.settings.lease_seconds
    with door.write() as session:
        action, run = run_state.tend(session, host, said.worker, said, lease)
        starts = run is not None and action == protocol.RunAction.START
        order = protocol.RunOrder(
            run_id=said.run_id,
            generation=said.generation,
            action=action,
            spec=RunSpec.model_validate(run.spec) if run is not None and starts else RunSpec(),
            model=catalog.on_host(session, [run.model_id], host).get(run.model_id) if run is not None else None,
            lease_seconds=lease,
        )
    return as_json(order)


@router.post("/runs/report", response_model=protocol.Accepted)
def report(said: protocol.RunReport, request: Request, door: Door, host: WorkerHost) -> Response:
    with door.write(wake=True) as session:
        accepted = run_state.report(session, host, said, door.settings.lease_seconds)
    request.app.state.seats.ring()
    return as_json(Accepted(accepted=accepted))


@router.post("/runs/acquire", response_model=protocol.Acquired)
def acquire(said: protocol.Acquire, door: Door, host: WorkerHost) -> Response:
    with door.write(wake=True) as session:
        answer = runs.acquire(session, host, said)
    return as_json(answer)


@router.post("/runs/release", response_model=protocol.Accepted)
def release(said: protocol.Release, door: Door, host: WorkerHost) -> Response:
    with door.write(wake=True) as session:
        accepted = runs.release(session, host, said)
    return as_json(Accepted(accepted=accepted))


# --- files -------------------------------------------------------------------------------------


@router.get("/files/{file_id}", response_class=Response)
def download(file_id: str, request: Request, door: Door, host: WorkerHost) -> Response:
    """The bytes of a file that a job running on this host reads or made."""
    with door.read() as session:
        row = work.readable_file(session, host, file_id)
    return send_file(request, door.store, row)


@router.post("/files", response_model=protocol.FileCreated)
async def upload(
    request: Request,
    door: Door,
    host: WorkerHost,
    job_id: str,
    attempt: Annotated[int, Query(ge=1, lt=2**31)],
    worker: str,
    name: str,
) -> Response:
    """Store the raw body as a file of a running attempt."""
    ref = AttemptRef(job_id=job_id, attempt=attempt)
    await run_in_threadpool(_check, door, ref, worker, host)
    sink = await run_in_threadpool(door.store.sink, door.settings.upload_limit)
    try:
        await _fill(sink, request)
    except BaseException:
        sink.discard()
        raise
    content_type = request.headers.get("content-type", "application/octet-stream")
    return await run_in_threadpool(_keep, door, sink, ref, worker, host, name, content_type)


async def _fill(sink: Sink, request: Request) -> None:
    """The body into the sink, a megabyte at a time."""
    waiting = bytearray()
    async for piece in request.stream():
        waiting += piece
        if len(waiting) >= _CHUNK:
            await run_in_threadpool(sink.write, bytes(waiting))
            waiting.clear()
    await run_in_threadpool(sink.write, bytes(waiting))


def _check(door: FrontDoor, ref: AttemptRef, worker: str, host: str) -> None:
    with door.read() as session:
        work.check_running(session, ref, worker, host)


def _keep(
    door: FrontDoor, sink: Sink, ref: AttemptRef, worker: str, host: str, name: str, content_type: str
) -> Response:
    """The attempt is asked again: it may have been lost while it sent."""
    stored = sink.keep()
    try:
        with door.write() as session:
            work.check_running(session, ref, worker, host)
            files.add(
                session,
                stored,
                name=name,
                purpose="job_output",
                content_type=content_type,
                owner=session.get_one(Job, ref.job_id).owner,
                job_id=ref.job_id,
                attempt=ref.attempt,
            )
    except BaseException:
        door.store.remove(stored.id)
        raise
    return as_json(protocol.FileCreated(id=stored.id, size=stored.size, sha256=stored.sha256))
