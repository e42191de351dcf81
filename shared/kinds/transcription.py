"""Transcription: speech in any audio or video file to text, subtitles and JSON with word times."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from shared.audio import Recording, decode
from shared.errors import ExecutionError
from shared.kinds.contract import Catalog, Context, Demand, Kind, Result
from shared.listening import Listening, Wish
from shared.runtimes import Endpoint, RunSpec
from shared.subtitles import Segment, Transcript, TranscriptFormat, render
from shared.units import KIB
from shared.vocabulary import Capability

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

    def wish(self) -> Wish:
        """How it is to be heard."""
        return Wish.model_validate(self.model_dump(include=set(Wish.model_fields)))

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
    """One attempt at a recording, from where the last one stopped."""

    def __init__(self, kind: Transcription, context: Context, endpoint: Endpoint, recording: Recording) -> None:
        self._context, self._total = context, recording.seconds
        done = context.items.done
        self._listening = Listening(
            endpoint,
            recording,
            kind.wish(),
            context.raise_if_cancelled,
            [Segment.model_validate(done[index]["segment"]) for index in sorted(done)],
            next((done[i]["language"] for i in sorted(done)), None),
        )
        self._from = self._listening.position
        self._started = time.monotonic()

    @property
    def heard_seconds(self) -> float:
        """Seconds of audio that this attempt worked through."""
        return self._total - self._from

    def run(self) -> None:
        with closing(self._listening.run()) as heard:
            for segment in heard:
                self._keep(segment)
        self._context.items.flush()

    def transcript(self) -> Transcript:
        return self._listening.transcript()

    def _keep(self, segment: Segment) -> None:
        language = self._listening.language
        data = {"segment": segment.model_dump(exclude={"tokens"}, exclude_none=True), "language": language}
        self._context.items.put(len(self._context.items.done), data)
        self._context.emit(segment.text)
        rate = (segment.end - self._from) / (time.monotonic() - self._started)
        self._context.progress(min(segment.end, self._total), self._total, "seconds", rate)
