"""Jobs that clients of Ollama wait for, told in lines or, when they want none, by their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.deps import FrontDoor
from api.gateway.ollama import errors
from api.gateway.ollama.answer import LINES
from api.gateway.ollama.progress import last
from api.gateway.ollama.watching import GLANCE, Watch
from api.leaving import ClientGone, while_connected
from api.sse import LiveResponse
from shared.errors import CidermillError, Problem, Unavailable

#: Looks after which a line is repeated, so that nobody takes the silence for the end.
_REPEAT = 20

#: What is done after the job: what went wrong then.
Done = Awaitable[Problem | None]


async def follow(
    request: Request, door: FrontDoor, job_id: str, *, streamed: bool, done: Done | None = None
) -> Response:
    """The job's lines until it is over, and `done`, too. A client that leaves stops neither."""
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
    before, silent, watch = None, 0, Watch(door, job_id)
    while True:
        seen = await run_in_threadpool(watch.look)
        problem = await done if seen.final and done is not None else None
        if seen.final and not seen.failed:
            for line in last(said):
                yield line
            if problem is not None:
                yield errors.body(problem, 500)
                return
        if seen != before or silent >= _REPEAT:
            yield seen.line
            said.append(str(seen.line.get("status")))
            before, silent = seen, 0
        if seen.final:
            return
        if door.feed.closed:
            raise Unavailable("The front door is being stopped", "the job goes on", "ask again in a moment")
        silent += 1
        await asyncio.sleep(GLANCE)


async def _written(lines: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    """What goes wrong is a part of the stream by now, and its last."""
    try:
        async for line in lines:
            yield _line(line)
    except CidermillError as error:
        yield _line(errors.body(error.problem, error.status))


def _line(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"
