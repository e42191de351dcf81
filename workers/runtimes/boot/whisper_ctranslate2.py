"""Whisper through faster-whisper and CTranslate2: everywhere but on a Mac's GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from faster_whisper import WhisperModel

from shared.subtitles import Segment, Word
from workers.runtimes.boot.pcm import Recording, Samples
from workers.runtimes.boot.stretches import StretchedHearing, Told
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

    def hear(self, audio: BinaryIO, ask: Ask) -> StretchedHearing:
        """Raises BadAudio when it cannot be decoded."""
        return StretchedHearing(self.listen, Recording(audio), ask)

    def listen(self, samples: Samples, told: Told) -> tuple[str, Iterator[Segment]]:
        """Segments come while the rest is still to be heard."""
        settings: dict[str, Any] = {} if told.temperature is None else {"temperature": told.temperature}
        segments, info = self._model.transcribe(
            samples,
            language=told.language,
            task=told.task,
            initial_prompt=told.prompt,
            word_timestamps=told.words,
            beam_size=self._beam_size,
            vad_filter=self._vad,
            **settings,
        )
        return info.language, (_segment(raw) for raw in segments)


def _segment(raw: Any) -> Segment:
    """In whole milliseconds: the engine's own steps are of 20, the rest is noise of its arithmetic."""
    return Segment(
        start=round(raw.start, 3),
        end=round(raw.end, 3),
        text=raw.text,
        words=tuple(
            Word(word=word.word, start=round(word.start, 3), end=round(word.end, 3), probability=word.probability)
            for word in raw.words or ()
        ),
        seek=raw.seek,
        tokens=tuple(raw.tokens),
        avg_logprob=raw.avg_logprob,
        compression_ratio=raw.compression_ratio,
        no_speech_prob=raw.no_speech_prob,
        temperature=raw.temperature,
    )
