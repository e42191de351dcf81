"""OpenAI's transcription endpoint over any engine that turns audio into segments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, TypeVar

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from shared.spoken import code_of
from shared.subtitles import Segment, Transcript, TranscriptFormat, render
from workers.runtimes.boot.asgi import EventStream, Receive, Scope, Send, client_left, send_bytes, send_error

T = TypeVar("T")

#: Where it answers; translations are into English.
PATHS = {"/v1/audio/transcriptions": "transcribe", "/v1/audio/translations": "translate"}


class BadAudio(ValueError):
    """The bytes are no audio that can be read."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What to do with the audio; `offset` and `clip` in seconds: where to begin, how much to take."""

    form: TranscriptFormat = TranscriptFormat.JSON
    stream: bool = False
    language: str | None = None
    prompt: str | None = None
    #: `None`: the engine starts at 0 and raises it where it must.
    temperature: float | None = None
    task: str = "transcribe"
    words: bool = False
    offset: float = 0.0
    clip: float | None = None


class Hearing(Protocol):
    """A transcription under way; `duration` is of the whole audio, `language` is known with the first segment."""

    language: str | None
    duration: float

    def segments(self) -> Iterator[Segment]:
        """Each segment when it is finished, its times from the start of the audio."""


class Ears(Protocol):
    """An engine that hears."""

    def hear(self, audio: BinaryIO, ask: Ask) -> Hearing:
        """Begin. Raises BadAudio; blocks while the audio is decoded."""


async def transcribe(ears: Ears, slots: asyncio.Semaphore, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request of `PATHS` in one of the slots; when the client leaves, the engine stops after its segment.

    Segments come out of windows of up to 30 s, which engines work through in one step that nothing can break off.
    The audio is taken in before there is a slot, so that nobody's slot waits for the network.
    """
    try:
        form = await Request(scope, receive).form()
    except ClientDisconnect:
        return
    except (ValueError, HTTPException) as error:
        await _refuse(send, error)
        return
    try:
        audio, ask = _read(form, PATHS[scope["path"]])
    except ValueError as error:
        await _refuse(send, error)
    else:
        with ThreadPoolExecutor(1) as thread:
            await _Exchange(thread, receive, send, ask).run(ears, slots, audio.file)
    finally:
        await form.close()


async def _refuse(send: Send, error: Exception) -> None:
    await send_error(send, 400, f"The request cannot be read: {error}")


def _read(form: FormData, task: str) -> tuple[UploadFile, Ask]:
    """Raises ValueError that names the wrong field."""
    audio = form.get("file")
    if not isinstance(audio, UploadFile):
        raise ValueError("`file` must be the audio, as a multipart file")
    granularities = {str(value) for name in _GRANULARITIES for value in form.getlist(name)}
    return audio, Ask(
        form=_field(form, "response_format", TranscriptFormat) or TranscriptFormat.JSON,
        stream=str(form.get("stream") or "").lower() in {"true", "1"},
        language=_field(form, "language", code_of),
        prompt=_field(form, "prompt", str),
        temperature=_field(form, "temperature", float) or None,
        task=_field(form, "task", _task) or task,
        words="word" in granularities,
        offset=_field(form, "offset", _seconds) or 0.0,
        clip=_field(form, "clip", _seconds),
    )


_GRANULARITIES = ("timestamp_granularities[]", "timestamp_granularities")


def _field(form: FormData, name: str, convert: Callable[[str], T]) -> T | None:
    value = form.get(name)
    if value is None or value == "":
        return None
    try:
        return convert(str(value))
    except ValueError as error:
        raise ValueError(f"`{name}` is wrong: {error}") from error


def _task(value: str) -> str:
    if value not in {"transcribe", "translate"}:
        raise ValueError("transcribe or translate")
    return value


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 <= seconds < float("inf"):
        raise ValueError("seconds, 0 or more")
    return seconds


class _ClientLeft(Exception):
    """Nobody waits for the answer any more."""


class _Exchange:
    """One request's work in a thread, and its answer."""

    def __init__(self, thread: ThreadPoolExecutor, receive: Receive, send: Send, ask: Ask) -> None:
        self._thread = thread
        self._send = send
        self._ask = ask
        self._gone = asyncio.ensure_future(client_left(receive, None))

    async def run(self, ears: Ears, slots: asyncio.Semaphore, audio: BinaryIO) -> None:
        try:
            async with self._slot(slots):
                hearing = await self._work(lambda: ears.hear(audio, self._ask))
                await (self._stream(hearing) if self._ask.stream else self._answer(hearing))
        except BadAudio as error:
            await send_error(self._send, 400, f"The audio cannot be read: {error}")
        except _ClientLeft:
            return
        finally:
            self._gone.cancel()

    @asynccontextmanager
    async def _slot(self, slots: asyncio.Semaphore) -> AsyncIterator[None]:
        """A slot for the length of the block. Raises _ClientLeft when the client goes away before there is one."""
        taking = asyncio.ensure_future(slots.acquire())
        try:
            await asyncio.wait({taking, self._gone}, return_when=asyncio.FIRST_COMPLETED)
            if self._gone.done():
                raise _ClientLeft
            yield
        finally:
            if not taking.cancel():
                slots.release()

    async def _work(self, call: Callable[[], T]) -> T:
        """`call()` in the thread. Raises _ClientLeft once it is done, when the client has gone away meanwhile."""
        result = await asyncio.get_running_loop().run_in_executor(self._thread, call)
        if self._gone.done():
            raise _ClientLeft
        return result

    async def _answer(self, hearing: Hearing) -> None:
        segments: list[Segment] = []
        source = hearing.segments()
        while (segment := await self._work(lambda: next(source, None))) is not None:
            segments.append(segment)
        transcript = Transcript(
            segments=tuple(segments), duration=hearing.duration, language=hearing.language, task=self._ask.task
        )
        headers = [(b"content-type", self._ask.form.content_type.encode())]
        await send_bytes(self._send, render(transcript, self._ask.form).encode(), headers)

    async def _stream(self, hearing: Hearing) -> None:
        stream = EventStream(self._send)
        await stream.open()
        texts: list[str] = []
        source = hearing.segments()
        while (segment := await self._work(lambda: next(source, None))) is not None:
            texts.append(segment.text.strip())
            await stream.event(_segment_event(len(texts) - 1, segment, hearing))
        await stream.event(
            {
                "type": "transcript.text.done",
                "text": " ".join(filter(None, texts)),
                "language": hearing.language,
                "duration": hearing.duration,
                "usage": _usage(hearing.duration),
            }
        )
        await stream.close()


def _segment_event(number: int, segment: Segment, hearing: Hearing) -> dict[str, Any]:
    fields = segment.model_dump(exclude_none=True)
    head = {"type": "transcript.segment", "id": number, "language": hearing.language}
    return {**head, **fields, "usage": _usage(segment.end)}


def _usage(seconds: float) -> dict[str, Any]:
    """What was heard so far, in OpenAI's shape."""
    return {"type": "duration", "seconds": seconds}
