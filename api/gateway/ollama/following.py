"""Jobs that clients of Ollama wait for, told in lines or, when they want none, by their end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.deps import FrontDoor
from api.errors import NO_DATABASE, unanswered
from api.gateway.ollama import errors
from api.gateway.ollama.answer import LINES
from api.gateway.ollama.progress import Glimpse, glimpse, last
from api.leaving import ClientGone, while_connected
from api.sse import LiveResponse
from shared.errors import CidermillError, Problem
from shared.jobs import queries

#: Seconds between two looks at a job.
_GLANCE = 0.25
#: Looks after which a line is repeated, so that nobody takes the silence for the end.
_REPEAT = 20
#: Seconds that the database may be away.
_PATIENCE = 30.0

Done = Callable[[], None]


async def follow(
    request: Request, door: FrontDoor, job_id: str, *, streamed: bool, done: Done | None = None
) -> Response:
    """The job's lines until it is over, then `done`. A client that leaves does not stop the job."""
    if streamed:
        return LiveResponse(_written(_lines(door, job_id, done)), LINES)
    try:
        return await while_connected(request.receive, _end(door, job_id, done))
    except ClientGone:
        return Response(status_code=499)


def told(*statuses: str, streamed: bool) -> Response:
    """What is done already, as the lines of doing it."""
    lines = [{"status": status} for status in (statuses if streamed else statuses[-1:])]
    return Response("".join(json.dumps(line) + "\n" for line in lines), media_type=LINES if streamed else None)


async def _end(door: FrontDoor, job_id: str, done: Done | None) -> Response:
    line: Mapping[str, Any] = {}
    async for later in _lines(door, job_id, done):
        line = later
    status = 500 if "error" in line else 200
    return Response(json.dumps(line), status, media_type="application/json")


async def _lines(door: FrontDoor, job_id: str, done: Done | None) -> AsyncIterator[Mapping[str, Any]]:
    """Raises NotFound for a job that was forgotten meanwhile, Unavailable when the database stays away."""
    said: list[str] = []
    before, silent, eye = None, 0, _Eye(door, job_id)
    while True:
        seen = await run_in_threadpool(eye.look)
        if seen.final and not seen.failed:
            for line in last(said):
                yield line
            if done is not None and (problem := await run_in_threadpool(_done, done)) is not None:
                yield errors.body(problem, 500)
                return
        if seen != before or silent >= _REPEAT:
            yield seen.line
            said.append(str(seen.line.get("status")))
            before, silent = seen, 0
        if seen.final:
            return
        silent += 1
        await asyncio.sleep(_GLANCE)


async def _written(lines: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    """What goes wrong is a part of the stream by now, and its last."""
    try:
        async for line in lines:
            yield _line(line)
    except CidermillError as error:
        yield _line(errors.body(error.problem, error.status))


def _line(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


def _done(done: Done) -> Problem | None:
    """What went wrong, which is a part of the stream by now."""
    try:
        done()
    except CidermillError as error:
        return error.problem
    except NO_DATABASE as error:
        return unanswered(error).problem
    return None


class _Eye:
    """Looks at a job; while the database is away for a moment, at what was there last."""

    def __init__(self, door: FrontDoor, job_id: str) -> None:
        self._door = door
        self._job_id = job_id
        self._last = Glimpse({"status": "pulling manifest"})
        self._when = time.monotonic()

    def look(self) -> Glimpse:
        """Raises NotFound, and Unavailable once the database was away for too long."""
        try:
            with self._door.read() as session:
                self._last = glimpse(queries.find(session, self._job_id))
            self._when = time.monotonic()
        except NO_DATABASE as error:
            if time.monotonic() - self._when > _PATIENCE:
                raise unanswered(error) from error
        return self._last
