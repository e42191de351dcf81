"""Jobs: ls, show, logs, wait, cancel, retry, explain."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cli import options
from cli.app import group
from cli.client import connect
from cli.exits import Exit
from cli.explanation import show_explanation
from cli.follow import follow, show_end
from cli.output import Column, Json, emit, show_facts, show_list
from cli.paths import path_of
from cli.phrases import ago, iso, span
from cli.progress import headline, measure
from cli.result import show_result
from cli.terminal import speech
from shared.vocabulary import JobState

app = group("See and steer jobs.")

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job.")]
JobIds = Annotated[list[str], typer.Argument(metavar="ID", help="The jobs.")]

_COLUMNS = (
    Column("ID", lambda job: job["id"]),
    Column("KIND", lambda job: job["kind"]),
    Column("STATE", lambda job: job["state"]),
    Column("MODEL", lambda job: job["model"] or ""),
    Column("CREATED", lambda job: ago(job["created_at"])),
    Column("TOOK", lambda job: span(_took(job)), right=True),
    Column("NOW", lambda job: "" if JobState(job["state"]).final else f"{headline(job)} {measure(job)}".strip()),
)


@app.command("ls")
def list_jobs(
    state: Annotated[JobState | None, typer.Option(help="Only in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    model: Annotated[str | None, typer.Option(help="Only for this model.")] = None,
    host: Annotated[str | None, typer.Option(help="Only on this host.")] = None,
    label: Annotated[str | None, typer.Option(metavar="KEY=VALUE", help="Only with this label.")] = None,
    limit: options.Limit = 30,
    as_json: options.AsJson = False,
) -> None:
    """List jobs, the newest first."""
    with connect() as client:
        jobs = client.every("/v1/jobs", limit, state=state, kind=kind, model=model, host=host, label=label)
        chosen = any((state, kind, model, host, label))
        empty = "No such jobs." if chosen else "No jobs. Submit one: cidermill submit inference --help"
        show_list(jobs, _COLUMNS, as_json=as_json, empty=empty)


@app.command()
def show(job_id: JobId, as_json: options.AsJson = False) -> None:
    """Show all that is known of a job."""
    with connect() as client:
        job = client.get(path_of("job", job_id))
    if as_json:
        emit(job)
        return
    show_facts(_facts(job))
    if job["state"] == JobState.SUCCEEDED:
        show_result(job)


@app.command()
def logs(
    job_id: JobId,
    follow_it: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
) -> int:
    """Print what a job said; with -f until it ends."""
    with connect() as client:
        if follow_it:
            followed = follow(client, [job_id])
            if followed.code is not Exit.INTERRUPTED:
                show_end(followed.jobs[job_id])
            return followed.code
        with client.open("GET", path_of("job", job_id, "logs")) as answer:
            for piece in answer.iter_text():
                typer.echo(speech(piece), nl=False)
    return Exit.OK


@app.command()
def wait(job_ids: JobIds, timeout: options.Timeout = None, as_json: options.AsJson = False) -> int:
    """Wait until jobs have ended; the exit code tells how."""
    with connect() as client:
        followed = follow(client, job_ids, timeout=timeout, quiet=as_json)
    for job in followed.jobs.values():
        if JobState(job["state"]).final:
            emit(job) if as_json else show_end(job)
    return followed.code


@app.command()
def cancel(job_ids: JobIds, as_json: options.AsJson = False) -> None:
    """Cancel jobs; one that runs is told at once and stops within seconds."""
    _tell_each(job_ids, "cancel", as_json)


@app.command()
def retry(job_ids: JobIds, as_json: options.AsJson = False) -> None:
    """Queue failed or cancelled jobs again; what they finished is kept."""
    _tell_each(job_ids, "retry", as_json)


@app.command()
def explain(job_id: JobId, as_json: options.AsJson = False) -> None:
    """Say why a job waits, or what it does."""
    with connect() as client:
        said = client.get(path_of("job", job_id, "explain"))
    emit(said) if as_json else show_explanation(said)


def _tell_each(job_ids: list[str], what: str, as_json: bool) -> None:
    with connect() as client:
        for job_id in job_ids:
            job = client.post(path_of("job", job_id, what))
            if as_json:
                emit(job)
            else:
                asked = job["state"] == JobState.RUNNING and what == "cancel"
                typer.echo(f"{job_id} {'is being cancelled' if asked else job['state']}")


def _took(job: Json) -> float | None:
    return job["finished_at"] - job["started_at"] if job["started_at"] and job["finished_at"] else None


def _facts(job: Json) -> list[tuple[str, str]]:
    attempts = "\n".join(_attempt(attempt) for attempt in job["attempts"])
    error = job["error"] or {}
    return [
        ("id", job["id"]),
        ("kind", job["kind"]),
        ("state", job["state"]),
        ("now", "" if JobState(job["state"]).final else f"{headline(job)} {measure(job)}".strip()),
        ("model", job["model"] or ""),
        ("priority", job["priority"]),
        ("labels", ", ".join(f"{name}={value}" for name, value in job["labels"].items())),
        ("placement", json.dumps(job["placement"]) if job["placement"] else ""),
        ("takes turns by", job["queue"]),
        ("position", str(job["position"]) if job["position"] is not None else ""),
        ("not before", iso(job["not_before"])),
        ("deadline", iso(job["deadline"])),
        ("gave way", str(job["preemptions"] or "")),
        ("created", iso(job["created_at"])),
        ("started", iso(job["started_at"])),
        ("finished", iso(job["finished_at"])),
        ("took", span(_took(job))),
        ("items done", str(job["items_done"] or "")),
        ("attempts", attempts),
        ("error", "\n".join(error[part] for part in ("what", "why", "fix") if error.get(part))),
        ("params", json.dumps(job["params"], ensure_ascii=False)[:500]),
    ]


def _attempt(attempt: Json) -> str:
    error = attempt["error"] or {}
    why = f": {error['what']}" if error else ""
    return f"{attempt['number']} {attempt['state']} on {attempt['host']} ({attempt['runtime']}){why}"
