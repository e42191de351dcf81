"""In front of llama.cpp's own server: who gets which slot, and long prompts in chunks between which others come.

Whatever writes text is given a slot, its prompt is read ahead when it is long, and the request itself then finds most
of it in the slot's cache; people go before jobs. All else goes through as it is.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from shared.requests import CHAT, COMPLETION, WORK, Work, choices_of
from shared.told import count
from workers.runtimes.boot.asgi import Receive, Scope, Send, send_bytes, send_error
from workers.runtimes.boot.inner_engine import InnerEngine, read
from workers.runtimes.boot.llama_prefill import NOTHING, Prefilled, Progress, chunks, worth_it
from workers.runtimes.boot.llama_slots import Reading, Slot, Slots, identity

_TIMINGS, _USAGE, _PROGRESS = b'"timings"', b'"usage"', b'"prompt_progress"'
_EVENTS = "text/event-stream"
#: Seconds after which a stream is told that its prompt is still read.
_SIGN = 30.0


class LlamaFront:
    """The ASGI application; `step` is the least tokens of a chunk, 0: prompts go whole."""

    def __init__(self, engine: InnerEngine, slots: int, context: int, step: int) -> None:
        self._engine, self._context, self._step = engine, context, step
        self._slots, self._reading = Slots(slots), Reading()
        #: Held by the job whose prompt is read: others' wait without a slot, so that people find one.
        self._one_job = asyncio.Lock()
        self.loaded = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.loaded:
            await send_error(send, HTTPStatus.SERVICE_UNAVAILABLE, "the model is loading", "unavailable_error")
            return
        asked = await _Asked.of(scope, receive)
        if asked is None:
            return
        answering = asyncio.create_task(self._answer(asked, send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            answering.cancel()
            leaving.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
        if not answering.cancelled():
            answering.result()

    async def _answer(self, asked: _Asked, send: Send) -> None:
        body = asked.body if asked.path in (CHAT, COMPLETION) and asked.method == "POST" else None
        try:
            if body is None:
                await _carried(self._engine, asked, asked.content, _Heard(), AsyncExitStack(), send)
            else:
                await self._written(asked, body, send)
        except OSError as error:
            if asked.told:
                raise
            await send_error(send, HTTPStatus.BAD_GATEWAY, f"llama.cpp does not answer: {error}", "server_error")

    async def _written(self, asked: _Asked, body: dict[str, Any], send: Send) -> None:
        prompt, width, urgent = identity(asked.path, body), _width(asked.path, body), asked.work is Work.PERSON
        long = width == 1 and self._is_long(asked, body)
        async with AsyncExitStack() as turn:
            if long and not urgent:
                await turn.enter_async_context(self._one_job)
            async with self._slots.taken(prompt, width, urgent=urgent) as slot:
                heard, progress = _Heard(), Progress(slot.knows(prompt))
                # Until it is known what it has in the end.
                slot.holds(b"", 0, 0)
                try:
                    if width > 1:
                        # For several answers llama.cpp takes slots by itself: not while one is between two chunks.
                        await turn.enter_async_context(self._reading.chunk(urgent=urgent))
                    else:
                        body = body | {"id_slot": slot.index}
                    if long:
                        heard.ahead = await self._read_ahead(asked, body, slot, progress, send)
                        await turn.aclose()
                    await _carried(self._engine, asked, json.dumps(body).encode(), heard, turn, send)
                finally:
                    _remember(slot, prompt, heard, progress)

    def _is_long(self, asked: _Asked, body: dict[str, Any]) -> bool:
        """Whether its prompt is read in chunks, if it is as long as it may be."""
        if not self._step or asked.work is Work.BENCHMARK:
            return False
        return worth_it(self._step, asked.path, body, len(asked.content))

    async def _read_ahead(
        self, asked: _Asked, body: dict[str, Any], slot: Slot, progress: Progress, send: Send
    ) -> Prefilled:
        urgent, told = asked.work is Work.PERSON, time.monotonic()
        talk, said = chunks(self._step, self._context, asked.path, body, slot.index, progress), None
        with self._reading.prompt(urgent=urgent):
            while True:
                try:
                    part = talk.send(said)
                except StopIteration as ended:
                    ahead: Prefilled = ended.value
                    return ahead
                async with self._reading.chunk(urgent=urgent) if part.path == COMPLETION else nullcontext():
                    said = await self._asked(part.path, part.content)
                if body.get("stream") is True and time.monotonic() - told > _SIGN:
                    await _opened(asked, send)
                    await send({"type": "http.response.body", "body": b": reading\n\n", "more_body": True})
                    told = time.monotonic()

    async def _asked(self, path: str, content: bytes) -> bytes | None:
        async with self._engine.asked("POST", path, content) as (status, _, wire):
            said = await read(wire)
            return said if status == HTTPStatus.OK else None


def _remember(slot: Slot, prompt: bytes, heard: _Heard, progress: Progress) -> None:
    """How much of a prompt a slot has, also when its client left."""
    if heard.total:
        slot.holds(prompt, heard.prompt, heard.total)
    elif progress.total:
        slot.holds(prompt[: len(prompt) * progress.read // progress.total], progress.read, progress.read)


@dataclass(slots=True)
class _Asked:
    """A request as it came."""

    method: str
    path: str
    target: str
    media_type: str
    work: Work
    content: bytes
    #: Its JSON object; `None` when it is none.
    body: dict[str, Any] | None
    #: The client was told something.
    told: bool = False

    @classmethod
    async def of(cls, scope: Scope, receive: Receive) -> _Asked | None:
        """`None`: the client left before it had said all."""
        content, message = [], await receive()
        while message["type"] == "http.request":
            content.append(message.get("body", b""))
            if not message.get("more_body"):
                headers, query = dict(scope["headers"]), scope["query_string"]
                target = scope["raw_path"] + (b"?" + query if query else b"")
                return cls(
                    scope["method"], scope["path"], target.decode("latin-1"),
                    headers.get(b"content-type", b"application/json").decode("latin-1"),
                    Work.of(headers.get(WORK.lower().encode(), b"").decode("latin-1")),
                    b"".join(content), _object(b"".join(content)),
                )  # fmt: skip
            message = await receive()
        return None


@dataclass(slots=True)
class _Heard:
    """What is read of an answer on its way: how much its slot has in the end; and what is put right in it."""

    ahead: Prefilled = NOTHING
    #: Tokens of the prompt, and with the answer.
    prompt: int = 0
    total: int = 0
    _rest: bytes = field(default=b"", init=False)

    def events(self, data: bytes) -> bytes:
        """The lines that are whole now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return b"".join(self._line(line) + b"\n" for line in lines)

    def end(self) -> bytes:
        """What never became a line."""
        return self._rest

    def whole(self, content: bytes) -> bytes:
        """An answer in one piece, or what an event says."""
        said = _object(content)
        if said is None:
            return content
        if isinstance(timings := said.get("timings"), dict):
            self.prompt = count(timings.get("cache_n")) + count(timings.get("prompt_n"))
            self.total = self.prompt + count(timings.get("predicted_n"))
        if self.ahead is NOTHING:
            return content
        return json.dumps(self.ahead.amended(said), ensure_ascii=False, separators=(",", ":")).encode(errors="replace")

    def _line(self, line: bytes) -> bytes:
        if line.startswith(b"data: {") and (_TIMINGS in line or _USAGE in line or _PROGRESS in line):
            return b"data: " + self.whole(line[6:])
        return line


async def _carried(
    engine: InnerEngine, asked: _Asked, content: bytes, heard: _Heard, turn: AsyncExitStack, send: Send
) -> None:
    """Ask the engine, and pass on what it says; `turn` ends with its first word."""
    async with engine.asked(asked.method, asked.target, content, asked.media_type) as (status, headers, wire):
        media_type = headers.get("content-type", "application/json")
        if status != HTTPStatus.OK or not media_type.startswith(_EVENTS):
            whole = await read(wire)
            await turn.aclose()
            await _told_whole(asked, heard.whole(whole) if status == HTTPStatus.OK else whole, media_type, status, send)
            return
        await _opened(asked, send)
        while piece := await wire.piece():
            await turn.aclose()
            if said := heard.events(piece):
                await send({"type": "http.response.body", "body": said, "more_body": True})
        await send({"type": "http.response.body", "body": heard.end()})


async def _opened(asked: _Asked, send: Send) -> None:
    if not asked.told:
        asked.told = True
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", _EVENTS.encode())]})


async def _told_whole(asked: _Asked, content: bytes, media_type: str, status: int, send: Send) -> None:
    if asked.told:
        # Its stream was opened to keep it alive: an error is an event then, as llama.cpp writes those that come late.
        await send({"type": "http.response.body", "body": b"data: " + content + b"\n\n"})
    else:
        asked.told = True
        await send_bytes(send, content, [(b"content-type", media_type.encode("latin-1"))], status)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        """It has nothing more to say."""


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _width(path: str, body: Mapping[str, Any]) -> int:
    """Answers that are written side by side."""
    prompt = body.get("prompt") if path == COMPLETION else None
    prompts = len(prompt) if isinstance(prompt, list) and not all(type(token) is int for token in prompt) else 1
    return max(1, prompts) * max(1, choices_of(body))
