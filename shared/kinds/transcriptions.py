"""Transcriptions: many recordings, as many at once as a run has slots; each that is done stays done."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, Self, cast

from pydantic import Field, model_validator

from shared.ask import Answer, answered
from shared.audio import decode
from shared.batch import Batch
from shared.errors import ExecutionError
from shared.kinds.contract import Catalog, Context, Demand, Kind, Result
from shared.listening import Listening, Wish
from shared.loopback import Check
from shared.runtimes import Endpoint, RunSpec
from shared.subtitles import Transcript
from shared.units import KIB
from shared.vocabulary import Capability

_MOST_FILES = 1000
#: Bytes of the result file that stay in memory; more goes to disk.
_SPOOL = 1024 * KIB


class Transcriptions(Kind):
    """Every finished recording is a checkpoint; one that cannot be heard is an error of its own."""

    name: ClassVar[str] = "transcriptions"
    about: ClassVar[str] = "Speech in many audio or video files to transcripts, one line of a result file for each."
    reads: ClassVar[tuple[str, ...]] = ("files",)

    model: str = Field(min_length=1, description="Name or reference of an installed speech model.")
    files: list[str] = Field(min_length=1, max_length=_MOST_FILES, description="Ids of uploaded audio or video files.")
    wishes: list[Wish] = Field(
        [], description="How they are heard: one for each file, or one for all; default: as the model hears best."
    )
    runtime: str | None = Field(None, description="Only this runtime; default: any that can.")
    host: str | None = Field(None, description="Only this host; default: any that fits.")
    spec: RunSpec = Field(RunSpec(), description="How to load the model, if it must be loaded.")

    @model_validator(mode="after")
    def _one_or_each(self) -> Self:
        if len(self.wishes) not in (0, 1, len(self.files)):
            raise ValueError(
                f"give one wish for all or one for each of {len(self.files)} files, not {len(self.wishes)}"
            )
        return self

    def demand(self, catalog: Catalog) -> Demand:
        """A slot for each recording, as far as a run has them. Raises NotFound when a file is gone."""
        for file in self.files:
            catalog.file_size(file)
        return Demand(
            capability=Capability.TRANSCRIBE,
            model=self.model,
            runtime=self.runtime,
            host=self.host,
            spec=self.spec,
            slots=min(len(self.files), 256),
            preemptible=True,
        )

    def run(self, context: Context) -> Result:
        """Hear every recording that no earlier attempt has heard."""
        endpoint = context.endpoint
        if endpoint is None:
            raise ExecutionError("The job has no run to ask", "it was started without one", "retry the job")
        context.phase("transcribing")

        def hear(piece: _Piece, check: Check) -> Answer:
            return _answer(context, endpoint, piece, check)

        batch = Batch(context, endpoint, len(self.files), hear)
        batch.run(self._pieces())
        context.phase("writing")
        with tempfile.SpooledTemporaryFile(_SPOOL) as lines:
            batch.write(lines)
            lines.seek(0)
            output = context.files.create(f"{context.job_id}.jsonl", cast(BinaryIO, lines), "application/jsonl")
        counts = {"items": batch.tally.items, "succeeded": batch.tally.succeeded, "failed": batch.tally.failed}
        times = {"duration": round(batch.tally.audio, 3), "seconds": round(batch.seconds, 3)}
        return Result(data=counts | times | {"rtfx": round(batch.mine.audio / batch.seconds, 2), "output_file": output})

    def _pieces(self) -> Sequence[_Piece]:
        wishes = self.wishes if len(self.wishes) == len(self.files) else (self.wishes or [Wish()]) * len(self.files)
        return [_Piece(index, *each) for index, each in enumerate(zip(self.files, wishes, strict=True))]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A recording among the others."""

    index: int
    file: str
    wish: Wish


@dataclass(frozen=True, slots=True)
class _Heard:
    """A transcript, as what an engine said to one item."""

    transcript: Transcript
    seconds: float

    @property
    def response(self) -> dict[str, Any]:
        told = self.transcript.model_dump(exclude={"segments": {"__all__": {"tokens"}}}, exclude_none=True)
        return {"text": self.transcript.text} | told

    @property
    def usage(self) -> dict[str, Any]:
        return {"type": "duration", "seconds": round(self.transcript.duration, 3)}


def _answer(context: Context, endpoint: Endpoint, piece: _Piece, check: Check) -> Answer:
    started = time.perf_counter()

    def heard() -> _Heard:
        with context.files.open(piece.file) as source, tempfile.TemporaryFile() as samples:
            listening = Listening(endpoint, decode(source, samples, check), piece.wish, check)
            with closing(listening.run()) as segments:
                for _ in segments:
                    check()
            return _Heard(listening.transcript(), time.perf_counter() - started)

    return answered(piece.index, {"file": piece.file, "attempt": context.attempt}, heard, check)
