"""Follow jobs to their end: what they say, how far they are, and how they ended.

Ctrl-C only ends the following: the jobs go on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from cli.client import Client
from cli.exits import Exit, exit_of_job
from cli.output import Json
from cli.paths import path_of
from cli.phrases import span
from cli.problems import show
from cli.progress import Progress, progress_view
from cli.stream import Stream
from cli.terminal import remark, speech
from shared.errors import Problem
from shared.vocabulary import JobState

#: Seconds between two looks at how far a job is; what it says arrives at once.
_LOOK_SECONDS = 0.5
#: Seconds that the last events of a job that has ended may take to arrive.
_LAST_WORDS = 2.0
_ENDS = frozenset({"job.succeeded", "job.failed", "job.cancelled"})


@dataclass(frozen=True)
class Followed:
    """What following found: the jobs as they were last seen, by id, and the exit code they make together."""

    jobs: dict[str, Json]
    code: Exit
    #: The job's text was shown as it was written.
    spoken: bool = False


def follow(
    client: Client, job_ids: Sequence[str], *, timeout: float | None = None, quiet: bool = False, speak: bool = True
) -> Followed:
    """Show jobs until all have ended; the text of a single one goes to standard output as it is written.

    `quiet` shows nothing, `speak=False` all but the text. The exit code is that of the first job that did not
    succeed; TIMEOUT after `timeout` seconds; INTERRUPTED on Ctrl-C.
    """
    following = _Following(client, list(job_ids), quiet=quiet, speak=speak)
    try:
        return following.to_the_end(timeout)
    except KeyboardInterrupt:
        following.view.close()
        remark(f"\nDetached; {_goes_on(job_ids)}. Come back with: {_way_back(job_ids)}")
        return Followed(following.jobs, Exit.INTERRUPTED)


class _Following:
    def __init__(self, client: Client, job_ids: list[str], *, quiet: bool, speak: bool) -> None:
        self._client = client
        self._left = list(job_ids)
        self._speak = speak
        self.view: Progress = progress_view(quiet=quiet)
        self._stream = Stream(client, path_of("job", job_ids[0], "events")) if len(job_ids) == 1 and not quiet else None
        self._told_all = False
        self.jobs: dict[str, Json] = {}
        #: The attempt whose text was written, 0 before any.
        self._attempt = 0

    def to_the_end(self, timeout: float | None) -> Followed:
        deadline = time.monotonic() + timeout if timeout is not None else None
        while self._look():
            if deadline is not None and time.monotonic() > deadline:
                return self._too_late(timeout or 0.0)
            self._listen(_LOOK_SECONDS)
        if not self._told_all:
            self._listen(_LAST_WORDS)
        self.view.close()
        if self._attempt:
            typer.echo()
        codes = [exit_of_job(job["state"]) for job in self.jobs.values()]
        return Followed(self.jobs, next((code for code in codes if code is not Exit.OK), Exit.OK), bool(self._attempt))

    def _look(self) -> bool:
        """Ask how all of them stand; is there any that has not ended?"""
        for job_id in self._left[:]:
            job = self._client.get(path_of("job", job_id))
            self.jobs[job_id] = job
            self.view.update(job)
            if JobState(job["state"]).final:
                self._left.remove(job_id)
        return bool(self._left)

    def _listen(self, seconds: float) -> None:
        """Show what is said meanwhile; the end of the job ends the wait."""
        until = time.monotonic() + seconds
        if self._stream is None:
            time.sleep(seconds if self._left else 0.0)
            return
        while (event := self._stream.next(max(0.0, until - time.monotonic()))) is not None:
            self._say(event)
            if event["type"] in _ENDS:
                self._told_all = True
                return

    def _say(self, event: Json) -> None:
        if event["type"] == "job.output" and self._speak:
            self.view.close()
            self._begin(event["data"].get("attempt", 1))
            typer.echo(speech(event["data"]["text"]), nl=False)
        elif event["type"] == "job.log":
            for line in event["data"]["lines"]:
                self.view.line(line)

    def _begin(self, attempt: int) -> None:
        """A later attempt writes its text from the start."""
        if self._attempt and attempt > self._attempt:
            typer.echo()
            remark(f"Attempt {self._attempt} broke off; attempt {attempt} starts over.")
        self._attempt = attempt

    def _too_late(self, timeout: float) -> Followed:
        self.view.close()
        remark(f"Still not ended after {span(timeout)}; {_goes_on(self._left)}. {_way_back(self._left)}")
        return Followed(self.jobs, Exit.TIMEOUT)


def verdict(job: Json) -> str:
    """How a job ended, as a sentence."""
    took = span(job["finished_at"] - job["started_at"]) if job["started_at"] and job["finished_at"] else ""
    where = next((f" on {a['host']} ({a['runtime']})" for a in reversed(job.get("attempts", []))), "")
    tries = f", attempt {job['attempt']}" if job["attempt"] > 1 else ""
    return f"{job['id']} {job['state']}{where}{f' in {took}' if took else ''}{tries}"


def show_end(job: Json) -> None:
    """Say on standard error how a job ended, and why when it failed."""
    remark(verdict(job))
    if job.get("error"):
        show(Problem.model_validate(job["error"]))


def _goes_on(job_ids: Sequence[str]) -> str:
    return f"{job_ids[0]} goes on" if len(job_ids) == 1 else f"{len(job_ids)} jobs go on"


def _way_back(job_ids: Sequence[str]) -> str:
    return f"cidermill jobs logs -f {job_ids[0]}" if len(job_ids) == 1 else f"cidermill jobs wait {' '.join(job_ids)}"
