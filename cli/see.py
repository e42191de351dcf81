"""See a job through: follow it, print its result, end with its exit code."""

from __future__ import annotations

from cli.client import Client
from cli.follow import follow, show_end
from cli.output import emit
from cli.result import show_result
from shared.vocabulary import JobState


def see_through(client: Client, job_id: str, *, timeout: float | None, quiet: bool = False, as_json: bool) -> int:
    """Follow a job to its end, print its result and return its exit code; JSON prints the job and nothing else."""
    followed = follow(client, [job_id], timeout=timeout, quiet=quiet or as_json)
    job = followed.jobs.get(job_id)
    if job is None or not JobState(job["state"]).final:
        return followed.code
    if as_json:
        emit(job)
    else:
        show_end(job)
        show_result(job, spoken=followed.spoken)
    return followed.code
