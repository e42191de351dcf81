"""In front of llama.cpp's own server: who gets which slot, and long prompts in chunks between which others come.

Whatever writes text is given a slot, its prompt is read ahead when it is long, and the request itself then finds most
of it in the slot's cache; people go before jobs. All else goes through as it is.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack, nullcontext
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from shared.pictures import pictures
from shared.requests import CHAT, COMPLETION, Work
from shared.told import MOST
from workers.runtimes.boot.asgi import Message, Receive, Scope, Send, send_error
from workers.runtimes.boot.inner_engine import InnerEngine
from workers.runtimes.boot.llama_ahead import Prefilled
from workers.runtimes.boot.llama_chunks import CHUNK, Part, Progress, cached_first
from workers.runtimes.boot.llama_lists import Refused, Together, prompts
from workers.runtimes.boot.llama_passing import Asked, Heard, carried, opened
from workers.runtimes.boot.llama_prefill import chunks, worth_it
from workers.runtimes.boot.llama_reading import Reading
from workers.runtimes.boot.llama_slots import Slot, Slots, beginning, identity, shown

#: Seconds after which a stream is told that its prompt is still read.
_SIGN = 30.0
#: How often in a row a model must have lost what it saw for that to be its nature.
_LOST = 2
#: llama.cpp's own words are those of a JSON library.
_TOKENS = "prompt has token ids, and a model that sees pictures reads prompts as text alone: send the text"


class LlamaFront:
    """The ASGI application; `step` is the least tokens of a chunk, 0: prompts go whole. `sees`: pictures, too."""

    def __init__(self, engine: InnerEngine, slots: int, context: int, step: int, *, sees: bool = False) -> None:
        self._engine, self._most, self._context, self._step, self._sees = engine, slots, context, step, sees
        self._slots, self._reading = Slots(slots), Reading()
        #: Held by the job whose prompt or pictures are read: others' wait without a slot, so that people find one.
        self._one_job = asyncio.Lock()
        #: Held by who asks for several answers, until they begin: llama.cpp would give their slots to others such.
        self._one_wide = asyncio.Lock()
        #: How often in a row it had nothing more of what it saw, when more was asked of a prompt with pictures.
        self._lost = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = await Asked.of(scope, receive)
        if asked is None:
            return
        answering = asyncio.create_task(self._answer(asked, send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _over(answering, leaving)
        if not answering.cancelled():
            answering.result()

    async def _answer(self, asked: Asked, send: Send) -> None:
        try:
            if asked.method not in ("GET", "POST"):
                await send_error(send, HTTPStatus.METHOD_NOT_ALLOWED, "a run is asked by GET and POST")
            elif asked.body is None or asked.path not in (CHAT, COMPLETION):
                await carried(self._engine, asked, asked.content, Heard(), AsyncExitStack(), send)
            else:
                await self._written(asked, _without_slots(asked.body), send)
        except OSError as error:
            if asked.told:
                raise
            await send_error(send, HTTPStatus.BAD_GATEWAY, f"llama.cpp does not answer: {error}", "server_error")

    async def _written(self, asked: Asked, body: dict[str, Any], send: Send) -> None:
        listed = prompts(body) if asked.path == COMPLETION else []
        if not listed:
            await self._one(asked, body, send)
            return
        together = Together(asked, send, len(listed), _answers(body))
        # A list of a job has one slot, as each of its requests: the others are people's, and other requests'.
        room = asyncio.Semaphore(1 if asked.work is Work.JOB else self._most)

        async def one(place: int, prompt: Any) -> None:
            async with room:
                await self._one(replace(asked, told=False), body | {"prompt": prompt}, together.answer(place))

        asking = [asyncio.create_task(one(place, prompt)) for place, prompt in enumerate(listed)]
        try:
            await asyncio.gather(*asking)
        except Refused as error:
            await _over(*asking)
            await together.refuse(error)
        else:
            await together.end()
        finally:
            await _over(*asking)

    async def _one(self, asked: Asked, body: dict[str, Any], send: Send) -> None:
        if self._sees and asked.path == COMPLETION and _has_ids(body.get("prompt")):
            await send_error(send, HTTPStatus.BAD_REQUEST, _TOKENS)
            return
        prompt, urgent, width = identity(asked.path, body), asked.work is Work.PERSON, _answers(body)
        long = width <= self._most and self._is_long(asked, body, len(prompt))
        async with AsyncExitStack() as seen, AsyncExitStack() as turn:
            if not urgent and (long or _shows(asked)):
                await (seen if _shows(asked) else turn).enter_async_context(self._one_job)
            async with self._slots.taken(prompt, width, urgent=urgent) as slot:
                heard, progress, body = Heard(), slot.likely(prompt), body | {"id_slot": slot.index}
                try:
                    if width > 1:
                        await turn.enter_async_context(self._one_wide)
                    if long:
                        heard.ahead = await self._read_ahead(asked, body, slot, progress, send)
                    if width > 1:
                        await turn.enter_async_context(self._reading.alone())
                        self._slots.forget()
                    else:
                        await turn.aclose()
                    progress.sent = True
                    send = _ending(seen, heard, send)
                    await carried(self._engine, asked, json.dumps(body).encode(), heard, turn, send)
                finally:
                    _remember(slot, prompt, heard, progress, width)

    def _is_long(self, asked: Asked, body: dict[str, Any], size: int) -> bool:
        """Whether its prompt is read in chunks, if it is as long as it may be."""
        if not self._step or asked.work is Work.BENCHMARK:
            return False
        urgent, seeing = asked.work is Work.PERSON, self._lost < _LOST
        return worth_it(self._step, asked.path, body, size, urgent=urgent, seeing=seeing)

    async def _read_ahead(
        self, asked: Asked, body: dict[str, Any], slot: Slot, progress: Progress, send: Send
    ) -> Prefilled:
        urgent, told = asked.work is Work.PERSON, time.monotonic()
        talk, said = chunks(self._step, self._context, asked.path, body, slot.index, progress), None
        async with self._reading.prompt(urgent=urgent):
            while True:
                try:
                    part = talk.send(said)
                except StopIteration as ended:
                    ahead: Prefilled = ended.value
                    if progress.pictures and progress.sent:
                        self._lost = self._lost + 1 if progress.lost else 0
                    return ahead
                async with self._reading.chunk(urgent=urgent) if part.path == CHUNK else nullcontext():
                    began = time.monotonic()
                    said = await self._asked(part)
                    progress.wall = time.monotonic() - began
                if body.get("stream") is True and time.monotonic() - told > _SIGN:
                    await opened(asked, send)
                    await send({"type": "http.response.body", "body": b": reading\n\n", "more_body": True})
                    told = time.monotonic()

    async def _asked(self, part: Part) -> bytes | None:
        async with self._engine.asked("POST" if part.content else "GET", part.path, part.content) as (status, _, wire):
            if status != HTTPStatus.OK:
                return None
            said = b""
            while piece := await wire.piece():
                said += piece
                if part.known and (cached := cached_first(said)) is not None and cached < part.known:
                    break
            return said


async def _over(*tasks: asyncio.Task[None]) -> None:
    """They have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        """It has nothing more to say."""


def _remember(slot: Slot, prompt: bytes, heard: Heard, progress: Progress, width: int) -> None:
    """How much of a prompt a slot has, also when its client left; which of several answers, nobody tells."""
    if heard.total:
        slot.holds(prompt, heard.prompt, heard.total if width == 1 else heard.prompt)
    elif progress.sent and (heard.spoken or not progress.total):
        # All of it, of how many tokens was not told.
        slot.holds(prompt, progress.held, progress.held)
    elif progress.sent and shown(prompt):
        slot.holds(beginning(prompt, progress), progress.held, progress.held)
    elif progress.sent and progress.total:
        slot.holds(prompt[: len(prompt) * progress.read // progress.total], progress.read, progress.read)


def _shows(asked: Asked) -> bool:
    """Whether it is a job that shows pictures: one at a time, until it has seen them all."""
    messages = asked.body.get("messages") if asked.body is not None and asked.path == CHAT else None
    return asked.work is Work.JOB and any(True for _ in pictures(messages))


def _ending(seen: AsyncExitStack, heard: Heard, send: Send) -> Send:
    """Sends, and ends `seen` once the answer has got past the prompt."""

    async def ending(message: Message) -> None:
        if heard.spoken:
            await seen.aclose()
        await send(message)

    return ending


def _without_slots(body: dict[str, Any]) -> dict[str, Any]:
    """A request that names no slot, and calls the number of answers `n`, of which `n_cmpl` is llama.cpp's own name."""
    plain = {name: value for name, value in body.items() if name not in ("id_slot", "n_cmpl")}
    return plain | {"n": body["n_cmpl"]} if "n_cmpl" in body else plain


def _has_ids(prompt: Any) -> bool:
    """Tokens, or texts with tokens between."""
    return isinstance(prompt, list) and any(type(one) is int or _has_ids(one) for one in prompt)


def _answers(body: dict[str, Any]) -> int:
    """How many each prompt gets, written side by side."""
    wanted = body.get("n")
    return int(wanted) if isinstance(wanted, int | float) and 1 <= wanted <= MOST else 1
