"""Jobs: submit, list, look at, cancel, try again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Header, Query, Request, status
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from api import privacy, retries, views
from api.answers import as_json, page
from api.deps import After, Asker, Changer, Door, FrontDoor, Limit, Reader
from api.job_names import resolved
from api.schemas.base import Page
from api.schemas.jobs import BulkIn, BulkOut, JobDetail, JobIn, JobOut, SubmittedOut
from shared.errors import Conflict, InvalidParameters
from shared.explanation import Explanation
from shared.grants import check_owner, is_guarded
from shared.jobs import queries, service, state
from shared.jobs.explain import explain as explain_job
from shared.jobs.intake import Submission
from shared.jobs.service import Prepared, Submitted
from shared.jobs.where import is_label_name
from shared.keys import Caller
from shared.kinds.download import Download
from shared.tables import Job
from shared.vocabulary import JobState

T = TypeVar("T")

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

IdempotencyKey = Annotated[
    str | None,
    Header(max_length=200, description="The same key and request again gives the same job instead of a second one."),
]


@router.post("", status_code=status.HTTP_201_CREATED, response_model=JobOut, responses={200: {"model": JobOut}})
def submit(
    body: JobIn, request: Request, door: Door, caller: Asker, idempotency_key: IdempotencyKey = None
) -> Response:
    """Queue a job. 201 with its `Location`; 200 when the `Idempotency-Key` has its job already."""
    submission = _submission(body, idempotency_key)
    request.state.ordinary = _are_ordinary([submission])

    def queue() -> tuple[Submitted, JobOut]:
        with door.read() as session:
            prepared = _prepared(door, session, [submission], caller)
        with door.write(wake=True) as session:
            [submitted] = _queued(door, session, prepared, [submission], caller)
            return submitted, JobOut.model_validate(queries.find(session, submitted.id))

    submitted, shown = _again_if_taken(queue)
    code = status.HTTP_201_CREATED if submitted.fresh else status.HTTP_200_OK
    return as_json(shown, code, Location=f"/v1/jobs/{submitted.id}")


@router.post("/bulk", status_code=status.HTTP_201_CREATED, response_model=BulkOut)
def submit_many(
    body: BulkIn, request: Request, door: Door, caller: Asker, idempotency_key: IdempotencyKey = None
) -> Response:
    """Queue up to 1000 jobs, all or none; an `Idempotency-Key` covers them all, each by its place."""
    keys = [f"{idempotency_key}:{place}" if idempotency_key else None for place in range(len(body.jobs))]
    submissions = [_submission(job, key) for job, key in zip(body.jobs, keys, strict=True)]
    request.state.ordinary = _are_ordinary(submissions)

    def queue() -> list[Submitted]:
        with door.read() as session:
            prepared = _prepared(door, session, submissions, caller)
        with door.write(wake=True) as session:
            return _queued(door, session, prepared, submissions, caller)

    answers = [SubmittedOut(id=job.id, kind=job.kind, state=job.state) for job in _again_if_taken(queue)]
    return as_json(BulkOut(data=answers), status.HTTP_201_CREATED)


def _prepared(door: FrontDoor, session: Session, submissions: Sequence[Submission], caller: Caller) -> Prepared:
    """Checked under the catalog's names for their models."""
    return service.prepare(session, resolved(session, submissions, door.settings.default_model), caller.id)


def _queued(
    door: FrontDoor, session: Session, prepared: Prepared, submissions: Sequence[Submission], caller: Caller
) -> list[Submitted]:
    """Those that are new count as requests of the caller. Raises IntegrityError, QuotaExceeded."""
    queued = service.queue(session, prepared)
    fresh = (asked.requests for asked, job in zip(submissions, queued, strict=True) if job.fresh)
    door.meter.desk.admit_jobs(session, caller, sum(fresh))
    return queued


def _are_ordinary(submissions: Sequence[Submission]) -> bool:
    """Whether none of them opens what only admins may."""
    sources = (str(one.params.get("model")) for one in submissions if one.kind == Download.name)
    return not any(map(is_guarded, sources))


def _again_if_taken(queue: Callable[[], T]) -> T:
    """Another request may take one of the keys while we look; the second time its jobs are found."""
    try:
        return queue()
    except IntegrityError:
        return queue()


def _submission(body: JobIn, key: str | None) -> Submission:
    return Submission(
        kind=body.kind,
        params=body.params,
        priority=body.priority,
        labels=dict(body.labels),
        placement=body.placement,
        queue_by=body.queue_by,
        not_before=body.not_before,
        deadline=body.deadline,
        max_failures=body.max_failures,
        idempotency_key=key,
    )


@router.get("")
def list_jobs(
    door: Door,
    caller: Reader,
    state: Annotated[list[JobState] | None, Query(description="Any of these states.")] = None,
    kind: str | None = None,
    model: str | None = None,
    host: Annotated[str | None, Query(description="Asked for it, or ran there.")] = None,
    label: Annotated[list[str] | None, Query(description="`name=value`; all must match.")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[JobOut]:
    """The newest first."""
    wanted = queries.Filter(states=state or (), kind=kind, model=model, host=host, labels=_labels(label or []))
    with door.read() as session:
        found = queries.jobs(session, wanted, after=after, limit=limit + 1)
    return page([privacy.job_out(caller, job) for job in found], limit)


def _labels(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, value in pairs:
        if not equals or not is_label_name(name) or "\0" in value:
            why = "no job can have such a label" if equals else "it has no value"
            raise InvalidParameters(f"{name!r} is no label to look for", why, "write label=name=value", field="label")
    return {name: value for name, _, value in pairs}


@router.get("/{job_id}")
def show(job_id: str, door: Door, caller: Reader) -> JobDetail:
    """One job with its attempts."""
    with door.read() as session:
        job = queries.find(session, job_id)
        return privacy.job_detail(caller, job, views.job_detail(session, job))


@router.post("/{job_id}/cancel")
def cancel(job_id: str, door: Door, caller: Changer) -> JobOut:
    """At once when it waits; a running one is told within seconds."""
    with door.write(wake=True) as session:
        _changes(session, job_id, caller)
        state.cancel(session, job_id)
    return _shown(door, job_id)


@router.post("/{job_id}/retry")
def retry(job_id: str, door: Door, caller: Changer) -> JobOut:
    """Queue a failed or cancelled job again; what it had finished is kept, and what it had not counts as requests."""
    with door.write(wake=True) as session:
        retries.retry(door, session, _changes(session, job_id, caller))
    return _shown(door, job_id)


def _changes(session: Session, job_id: str, caller: Caller) -> Job:
    """Everybody may look at the queue; only who submitted a job, or an admin, ends it. Raises NotFound, Forbidden."""
    job = queries.find(session, job_id)
    check_owner(caller, job.owner, "job")
    return job


def _shown(door: FrontDoor, job_id: str) -> JobOut:
    with door.read() as session:
        return JobOut.model_validate(queries.find(session, job_id))


@router.get("/{job_id}/explain")
def explain(job_id: str, door: Door, caller: Reader) -> Explanation:
    """What it does or waits for: as a sentence, and as data with numbers for each host."""
    with door.read() as session:
        job = queries.find(session, job_id)
        return explain_job(session, job, private=not privacy.is_open(caller, job))


@router.get("/{job_id}/result", response_model=None)
def result(
    job_id: str,
    door: Door,
    caller: Reader,
    download: Annotated[bool, Query(description="Redirect to the output file.")] = False,
) -> Response | dict[str, object]:
    """What it achieved, for who submitted it. 409 while it is not over, or when it failed."""
    with door.read() as session:
        job = queries.find(session, job_id)
    privacy.check_open(caller, job)
    if job.state != JobState.SUCCEEDED:
        raise _no_result(job)
    found = dict(job.result or {})
    if not download:
        return found
    if not found.get("output_file"):
        raise Conflict(f"Job {job_id} has no output file", "its result is small and kept with it", "leave out download")
    return RedirectResponse(f"/v1/files/{found['output_file']}/content", status.HTTP_307_TEMPORARY_REDIRECT)


def _no_result(job: Job) -> Conflict:
    if not job.state.final:
        return Conflict(f"Job {job.id} has no result yet", f"it is {job.state}", "wait: cidermill jobs wait " + job.id)
    cause = str((job.error or {}).get("what") or f"it was {job.state}")
    return Conflict(f"Job {job.id} has no result", cause, "queue it again: cidermill jobs retry " + job.id)
