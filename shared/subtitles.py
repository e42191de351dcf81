"""A transcript as text, SRT, WebVTT or the JSON shapes of OpenAI's transcription API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class Word(BaseModel):
    """A word and when it is spoken, in seconds from the start of the audio."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    word: str
    start: float
    end: float
    probability: float | None = None


class Segment(BaseModel):
    """A stretch of speech, in seconds from the start of the audio."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    #: Where the window began in which the engine heard it, in hundredths of a second, and its token ids.
    seek: int = 0
    tokens: tuple[int, ...] = ()
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None
    temperature: float | None = None

    def later(self, seconds: float) -> Segment:
        """The same segment, `seconds` further on; in whole milliseconds, as engines tell times."""

        def moved(time: float) -> float:
            return round(time + seconds, 3)

        words = tuple(
            word.model_copy(update={"start": moved(word.start), "end": moved(word.end)}) for word in self.words
        )
        times = {"start": moved(self.start), "end": moved(self.end), "seek": self.seek + round(seconds * 100)}
        return self.model_copy(update=times | {"words": words})


class Transcript(BaseModel):
    """All that was heard; `duration` is of the audio, in seconds."""

    model_config = ConfigDict(frozen=True)

    segments: tuple[Segment, ...]
    duration: float
    language: str | None = None
    task: str = "transcribe"

    @property
    def text(self) -> str:
        return " ".join(text for segment in self.segments if (text := segment.text.strip()))


class TranscriptFormat(StrEnum):
    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"
    VERBOSE_JSON = "verbose_json"

    @property
    def suffix(self) -> str:
        """The ending of a file of this format; both JSON shapes need names of their own."""
        return {"text": "txt", "verbose_json": "verbose.json"}.get(self.value, self.value)

    @property
    def content_type(self) -> str:
        types = {"text": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}
        return types.get(self.value, "application/json")


def render(transcript: Transcript, form: TranscriptFormat) -> str:
    """The transcript in one format; text formats end with a newline."""
    return _RENDERERS[form](transcript)


def clock(seconds: float, mark: str) -> str:
    """`3661.5` becomes `01:01:01,500` with a comma for `mark`, as SRT wants; WebVTT wants a dot."""
    milliseconds = max(round(seconds * 1000), 0)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _srt(transcript: Transcript) -> str:
    cues = enumerate(_cues(transcript), 1)
    return "\n".join(
        f"{number}\n{clock(cue.start, ',')} --> {clock(cue.end, ',')}\n{_line(cue)}\n" for number, cue in cues
    )


def _vtt(transcript: Transcript) -> str:
    cues = _cues(transcript)
    # `-->` would end a cue's text early, and `&` and `<` start markup.
    bodies = (
        f"{clock(cue.start, '.')} --> {clock(cue.end, '.')}\n"
        f"{_line(cue).replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')}\n"
        for cue in cues
    )
    return "\n".join(["WEBVTT\n", *bodies])


def _cues(transcript: Transcript) -> Iterable[Segment]:
    return (segment for segment in transcript.segments if segment.text.strip())


def _line(segment: Segment) -> str:
    """One line: a blank one would end the cue."""
    return " ".join(segment.text.split())


def _json(transcript: Transcript) -> str:
    return _dump({"text": transcript.text})


def _verbose_json(transcript: Transcript) -> str:
    segments = [
        {"id": number} | segment.model_dump(exclude={"words"}) for number, segment in enumerate(transcript.segments)
    ]
    words = [word.model_dump(exclude_none=True) for segment in transcript.segments for word in segment.words]
    head = {"task": transcript.task, "language": transcript.language, "duration": transcript.duration}
    return _dump(head | {"text": transcript.text, "segments": segments, "words": words})


def _dump(shape: dict[str, Any]) -> str:
    return json.dumps(shape, ensure_ascii=False) + "\n"


def _text(transcript: Transcript) -> str:
    return transcript.text + "\n"


_RENDERERS: dict[TranscriptFormat, Callable[[Transcript], str]] = {
    TranscriptFormat.JSON: _json,
    TranscriptFormat.TEXT: _text,
    TranscriptFormat.SRT: _srt,
    TranscriptFormat.VTT: _vtt,
    TranscriptFormat.VERBOSE_JSON: _verbose_json,
}
