"""Whisper through faster-whisper and CTranslate2: everywhere but on a Mac's GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from faster_whisper import WhisperModel

from shared.subtitles import Segment, Word
from workers.runtimes.boot.pcm import RATE, read_samples
from workers.runtimes.boot.transcription import Ask


class FasterWhisper:
    """One model; each slot is a CTranslate2 worker of its own over the same weights."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._beam_size = options["beam_size"]
        self._vad = options["vad"]
        self._model = WhisperModel(
            options["model"],
            device="cpu",
            compute_type=options["compute_type"],
            cpu_threads=options["threads"],
            num_workers=options["slots"],
            local_files_only=True,
        )

    def hear(self, audio: BinaryIO, ask: Ask) -> FasterHearing:
        """Raises BadAudio when it cannot be decoded."""
        samples = read_samples(audio)
        last = None if ask.clip is None else int((ask.offset + ask.clip) * RATE)
        settings: dict[str, Any] = {} if ask.temperature is None else {"temperature": ask.temperature}
        part = samples[int(ask.offset * RATE) : last]
        segments, info = self._model.transcribe(
            part,
            language=ask.language,
            task=ask.task,
            initial_prompt=ask.prompt,
            word_timestamps=ask.words,
            beam_size=self._beam_size,
            vad_filter=self._vad,
            **settings,
        )
        return FasterHearing(iter(segments), info.language, len(samples) / RATE, ask.offset)


class FasterHearing:
    def __init__(self, raw: Iterator[Any], language: str, duration: float, offset: float) -> None:
        self.language: str | None = language
        self.duration = duration
        self._raw = raw
        self._offset = offset

    def segments(self) -> Iterator[Segment]:
        return (_segment(raw, self._offset) for raw in self._raw)


def _segment(raw: Any, offset: float) -> Segment:
    """In whole milliseconds: the engine's own steps are of 20, the rest is noise of its arithmetic."""
    return Segment(
        start=round(raw.start + offset, 3),
        end=round(raw.end + offset, 3),
        text=raw.text,
        words=tuple(
            Word(
                word=word.word,
                start=round(word.start + offset, 3),
                end=round(word.end + offset, 3),
                probability=word.probability,
            )
            for word in raw.words or ()
        ),
        seek=raw.seek + round(offset * 100),
        tokens=tuple(raw.tokens),
        avg_logprob=raw.avg_logprob,
        compression_ratio=raw.compression_ratio,
        no_speech_prob=raw.no_speech_prob,
        temperature=raw.temperature,
    )
