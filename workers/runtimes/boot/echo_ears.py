"""Transcripts of the echo engine: one numbered segment for every five seconds of audio, at its script's pace."""

from __future__ import annotations

import time
import wave
from collections.abc import Iterator
from typing import BinaryIO

from shared.subtitles import Segment, Word
from workers.runtimes.boot.echo_script import Script
from workers.runtimes.boot.transcription import Ask, BadAudio

_SEGMENT_SECONDS = 5.0


class EchoEars:
    """Hears only how long a WAV is."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def hear(self, audio: BinaryIO, ask: Ask) -> EchoHearing:
        """Raises BadAudio for anything but a WAV."""
        try:
            with wave.open(audio, "rb") as recording:
                duration = recording.getnframes() / recording.getframerate()
        except (wave.Error, EOFError) as error:
            raise BadAudio(f"echo hears WAV only: {error}") from error
        return EchoHearing(duration, ask, self._script)


class EchoHearing:
    def __init__(self, duration: float, ask: Ask, script: Script) -> None:
        self.language: str | None = ask.language or "en"
        self.duration = duration
        self._ask = ask
        self._script = script

    def segments(self) -> Iterator[Segment]:
        """`Segment 3.` begins at 15 s, wherever the hearing itself begins. Sleeps as scripted before each."""
        end = self.duration if self._ask.clip is None else min(self._ask.offset + self._ask.clip, self.duration)
        start, pause = self._ask.offset, self._script.latency_ms
        while start < end:
            time.sleep(pause / 1000)
            stop = min((start // _SEGMENT_SECONDS + 1) * _SEGMENT_SECONDS, end)
            yield _segment(start, stop, words=self._ask.words)
            start, pause = stop, self._script.itl_ms


def _segment(start: float, stop: float, *, words: bool) -> Segment:
    texts = ("Segment", f"{int(start // _SEGMENT_SECONDS)}.")
    middle = (start + stop) / 2
    spoken = (Word(word=texts[0], start=start, end=middle), Word(word=texts[1], start=middle, end=stop))
    return Segment(start=start, end=stop, text=" ".join(texts), words=spoken if words else ())
