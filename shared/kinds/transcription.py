"""Transcription: speech in any audio or video file to text, subtitles and JSON with word times."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from shared.audio import Recording, decode
from shared.errors import ExecutionError
from shared.hearing import hear
from shared.kinds.contract import Catalog, Context, Demand, Kind, Result
from shared.runtimes import Endpoint, RunSpec
from shared.subtitles import Segment, Transcript, TranscriptFormat, render
from shared.units import KIB
from shared.vocabulary import Capability

#: Seconds of audio sent at once: what an engine holds in memory, and what it hears again after a cut, stays small.
_WINDOW = 1800.0
#: Less than this at the end is the rest of the last word; engines invent words for it.
_REST = 1.0
#: Seconds that an engine may take for one of audio before it counts as stuck.
_PATIENCE = 60.0
#: Words of the transcript so far that a later window is told, as whisper itself would remember them.
_MEMORY_WORDS = 100
_INLINE_LIMIT = 64 * KIB


class Transcription(Kind):
    """One recording; every finished segment is a checkpoint."""

    name: ClassVar[str] = "transcription"
    about: ClassVar[str] = "Speech in an audio or video file to text, subtitles and word times."
    reads: ClassVar[tuple[str, ...]] = ("file",)

    model: str = Field(min_length=1, description="Name or reference of an installed speech model.")
    file: str = Field(min_length=1, description="Id of an uploaded audio or video file.")
    task: Literal["transcribe", "translate"] = Field("transcribe", description="Translate is into English.")
    language: str | None = Field(None, description="Spoken language as an ISO 639-1 code; default: detected.")
    prompt: str | None = Field(None, description="Words or names to expect, in the spoken language.")
    temperature: float = Field(0.0, ge=0, le=1, description="0 lets the engine raise it where it must.")
    formats: tuple[TranscriptFormat, ...] = Field(tuple(TranscriptFormat), min_length=1, description="Files to write.")
    word_timestamps: bool = Field(default=True, description="Times for each word, in verbose_json.")
    runtime: str | None = Field(None, description="Only this runtime; default: any that can.")
    host: str | None = Field(None, description="Only this host; default: any that fits.")
    spec: RunSpec = Field(RunSpec(), description="How to load the model, if it must be loaded.")

    @model_validator(mode="before")
    @classmethod
    def _no_path(cls, data: Any) -> Any:
        if isinstance(data, dict) and "path" in data:
            raise ValueError("a path says nothing to other hosts: upload the recording, and give its id as file")
        return data

    def demand(self, catalog: Catalog) -> Demand:
        """One slot. Raises NotFound when the file is gone."""
        catalog.file_size(self.file)
        return Demand(
            capability=Capability.TRANSCRIBE,
            model=self.model,
            runtime=self.runtime,
            host=self.host,
            spec=self.spec,
            preemptible=True,
        )

    def run(self, context: Context) -> Result:
        """Transcribe from where the last attempt stopped, then write the files."""
        if context.endpoint is None:
            raise ExecutionError("The job has no run to ask", "it was started without one", "retry the job")
        started = time.monotonic()
        with context.files.open(self.file) as source, tempfile.TemporaryFile() as samples:
            context.phase("decoding")
            recording = decode(source, samples, context.raise_if_cancelled)
            context.phase("transcribing")
            session = _Session(self, context, context.endpoint, recording)
            session.run()
        context.phase("writing")
        return self._result(context, session, time.monotonic() - started)

    def _result(self, context: Context, session: _Session, seconds: float) -> Result:
        transcript = session.transcript()
        files = {
            form.value: context.files.create(
                f"{context.job_id}.{form.suffix}", render(transcript, form).encode(), form.content_type
            )
            for form in dict.fromkeys(self.formats)
        }
        text = transcript.text
        data = {
            "text": text if len(text.encode()) <= _INLINE_LIMIT else None,
            "language": transcript.language,
            "duration": round(transcript.duration, 3),
            "segments": len(transcript.segments),
            "words": len(text.split()),
            "files": files,
            "seconds": round(seconds, 3),
            "rtfx": round(session.heard_seconds / seconds, 2),
        }
        return Result(data=data)


class _Session:
    """One attempt at a recording: window after window, each from the end of the last finished segment."""

    def __init__(self, kind: Transcription, context: Context, endpoint: Endpoint, recording: Recording) -> None:
        self._kind, self._context, self._endpoint, self._recording = kind, context, endpoint, recording
        done = context.items.done
        self._segments = [Segment.model_validate(done[index]["segment"]) for index in sorted(done)]
        self._language: str | None = next((done[i]["language"] for i in sorted(done)), kind.language)
        self._from = self._segments[-1].end if self._segments else 0.0
        self._total = recording.seconds
        self._started = time.monotonic()

    @property
    def heard_seconds(self) -> float:
        """Seconds of audio that this attempt worked through."""
        return self._total - self._from

    def run(self) -> None:
        position = self._from
        rest = _REST if self._segments else 0.0
        while self._total - position > rest:
            position = self._window(position, min(position + _WINDOW, self._total))
        self._context.items.flush()

    def transcript(self) -> Transcript:
        return Transcript(
            segments=tuple(self._segments),
            duration=self._total,
            language=self._language,
            task=self._kind.task,
        )

    def _window(self, start: float, end: float) -> float:
        """Transcribe one window; return where the next begins."""
        cut = end < self._total
        before = len(self._segments)
        with closing(self._hear(start, end)) as heard:
            for segment in _whole(heard, cut):
                self._keep(segment)
        if cut and len(self._segments) > before:
            return max(self._segments[-1].end, start + _REST)
        return end

    def _hear(self, start: float, end: float) -> Generator[Segment, None, None]:
        stream = hear(
            self._endpoint,
            self._recording.wav(start, end),
            self._fields(),
            timeout=_PATIENCE * (end - start) + 600,
            check=self._context.raise_if_cancelled,
        )
        with closing(stream):
            for heard in stream:
                self._language = self._language or heard.language
                if heard.segment is not None:
                    yield heard.segment.later(start)

    def _fields(self) -> dict[str, str]:
        kind = self._kind
        spoken = " ".join(segment.text.strip() for segment in self._segments[-_MEMORY_WORDS:])
        prompt = " ".join(filter(None, [kind.prompt, *spoken.split()[-_MEMORY_WORDS:]]))
        fields = {"temperature": str(kind.temperature), "task": kind.task, "prompt": prompt}
        fields["language"] = self._language or ""
        fields["timestamp_granularities[]"] = "word" if kind.word_timestamps else "segment"
        return {name: value for name, value in fields.items() if value}

    def _keep(self, segment: Segment) -> None:
        data = {"segment": segment.model_dump(exclude={"tokens"}, exclude_none=True), "language": self._language}
        self._context.items.put(len(self._segments), data)
        self._segments.append(segment)
        self._context.emit(segment.text)
        rate = (segment.end - self._from) / (time.monotonic() - self._started)
        self._context.progress(min(segment.end, self._total), self._total, "seconds", rate)


def _whole(segments: Iterator[Segment], cut: bool) -> Iterator[Segment]:
    """All segments of a window; of one cut out of the recording all but the last, unless it is the only one.

    The last one may be half a sentence: it is heard again, whole, at the start of the next window.
    """
    held = next(segments, None)
    alone = True
    for segment in segments:
        if held is not None:
            yield held
        held, alone = segment, False
    if held is not None and (alone or not cut):
        yield held
