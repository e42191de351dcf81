"""Transcripts as OpenAI's clients read them: in one piece in five formats, or as events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from api import shapes
from api.gateway.audio.heard import Heard
from api.gateway.audio.wish import Granularity, Wish
from api.sse import KEEP_ALIVE, MEDIA_TYPE, frame
from shared.errors import Problem
from shared.spoken import name_of
from shared.subtitles import Segment, Transcript, TranscriptFormat, render

_MEDIA_TYPES = {
    TranscriptFormat.TEXT: "text/plain",
    TranscriptFormat.SRT: "text/plain",
    TranscriptFormat.VTT: "text/vtt",
}
#: What an engine may not count; strict clients want numbers.
_COUNTS = ("avg_logprob", "compression_ratio", "no_speech_prob", "temperature")


class WholeWriter:
    """Writes all at the end, in the format that was asked for."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._heard = Heard(wish.task)
        self.media_type = _MEDIA_TYPES.get(wish.form, "application/json")

    def waiting(self) -> bytes:
        return b""

    def feed(self, events: Sequence[bytes]) -> bytes:
        self._heard.feed(events)
        return b""

    def end(self) -> bytes:
        return written(self._heard.transcript(), self._wish)

    def failed(self, problem: Problem, status: int) -> bytes:
        return json.dumps(shapes.OPENAI.body(problem, status)).encode()


class EventWriter:
    """A `transcript.text.delta` for each segment, and at the end `transcript.text.done` with what they add up to."""

    media_type = MEDIA_TYPE

    def __init__(self, wish: Wish) -> None:
        self._heard = Heard(wish.task)
        self._task = wish.task
        self._began = False

    def waiting(self) -> bytes:
        return KEEP_ALIVE

    def feed(self, events: Sequence[bytes]) -> bytes:
        return b"".join(self._deltas(self._heard.feed(events)))

    def end(self) -> bytes:
        transcript = self._heard.transcript()
        done = {"type": "transcript.text.done", "text": transcript.text}
        return frame(done | _languages(transcript))

    def failed(self, problem: Problem, status: int) -> bytes:
        return frame(shapes.OPENAI.body(problem, status))

    def _deltas(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        for segment in segments:
            if text := segment.text.strip():
                yield frame({"type": "transcript.text.delta", "delta": f" {text}" if self._began else text})
                self._began = True


def written(transcript: Transcript, wish: Wish) -> bytes:
    """The transcript in the format that was asked for."""
    match wish.form:
        case TranscriptFormat.JSON:
            said = json.dumps(
                {"text": transcript.text} | _languages(transcript) | _usage(transcript), ensure_ascii=False
            )
        case TranscriptFormat.VERBOSE_JSON:
            said = json.dumps(_verbose(transcript, wish), ensure_ascii=False)
        case _:
            said = render(transcript, wish.form)
    return said.encode(errors="replace")


def _verbose(transcript: Transcript, wish: Wish) -> dict[str, Any]:
    # What is translated is English, and OpenAI says that of the answer.
    language = "en" if transcript.task == "translate" else transcript.language or "en"
    said: dict[str, Any] = {
        "task": transcript.task,
        "language": name_of(language),
        "duration": transcript.duration,
        "text": transcript.text,
    }
    if Granularity.SEGMENT in wish.granularities:
        said["segments"] = [_segment(number, segment) for number, segment in enumerate(transcript.segments)]
    if Granularity.WORD in wish.granularities:
        said["words"] = [
            {"word": word.word.strip(), "start": word.start, "end": word.end}
            for segment in transcript.segments
            for word in segment.words
        ]
    return said | _usage(transcript)


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    """All fields, in OpenAI's order."""
    counts = {name: getattr(segment, name) or 0.0 for name in _COUNTS}
    return {
        "id": number,
        "seek": segment.seek,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": list(segment.tokens),
        **counts,
    }


def _languages(transcript: Transcript) -> dict[str, Any]:
    """What was spoken, as newer models of OpenAI's tell it."""
    if transcript.language is None or transcript.task == "translate":
        return {}
    return {"languages": [{"code": transcript.language}]}


def _usage(transcript: Transcript) -> dict[str, Any]:
    return {"usage": {"type": "duration", "seconds": transcript.duration}}
