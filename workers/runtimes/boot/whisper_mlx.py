"""Whisper through mlx-audio, on the GPU of a Mac.

mlx-audio returns only when all is transcribed, so it is asked for one stretch after the other: segments come while the
rest is still to be heard. As in Whisper itself, a stretch that was cut ends with its last whole segment, and the next
begins there, told what was said before.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import Any, BinaryIO

import mlx.core as mx
from mlx_audio.stt.utils import load_model

from shared.subtitles import Segment
from workers.runtimes.boot.pcm import RATE, Samples, read_samples
from workers.runtimes.boot.transcription import Ask

#: Seconds heard at once: four of Whisper's windows.
_STRETCH = 120.0
#: Seconds at the end that hold no speech worth asking for; Whisper invents words for them.
_REST = 0.1
#: Characters of what was said before that the next stretch is told; Whisper keeps about 200 tokens.
_MEMORY = 600
_CACHE_BYTES = 256 * 1024**2


class MlxWhisper:
    """One model; its slots share the GPU one after the other."""

    def __init__(self, options: dict[str, Any]) -> None:
        mx.set_cache_limit(_CACHE_BYTES)
        self._model = load_model(Path(options["model"]))

    def hear(self, audio: BinaryIO, ask: Ask) -> MlxHearing:
        """Raises BadAudio when it cannot be decoded."""
        return MlxHearing(self._model, read_samples(audio), ask)


class MlxHearing:
    def __init__(self, model: Any, samples: Samples, ask: Ask) -> None:
        self.language = ask.language
        self.duration = len(samples) / RATE
        self._model = model
        self._samples = samples
        self._ask = ask
        self._said = ask.prompt or ""

    def segments(self) -> Iterator[Segment]:
        position = self._ask.offset
        end = self.duration if self._ask.clip is None else min(position + self._ask.clip, self.duration)
        while end - position > _REST:
            stop = min(position + _STRETCH, end)
            found = self._listen(position, stop)
            cut = stop < end and len(found) > 1
            whole = found[:-1] if cut else found
            for segment in whole:
                self._said = f"{self._said} {segment.text.strip()}"[-_MEMORY:]
                yield segment
            position = max(whole[-1].end, position + 1) if cut else stop

    def _listen(self, start: float, stop: float) -> list[Segment]:
        settings = {} if self._ask.temperature is None else {"temperature": self._ask.temperature}
        result = self._model.generate(
            self._samples[int(start * RATE) : int(stop * RATE)],
            language=self.language,
            task=self._ask.task,
            initial_prompt=self._said.strip() or None,
            word_timestamps=self._ask.words,
            **settings,
        )
        self.language = self.language or result.language
        return [_segment(raw, start) for raw in result.segments if raw["text"].strip()]


def _segment(raw: dict[str, Any], offset: float) -> Segment:
    """In whole milliseconds from the start of the audio; what the engine could not count is left out."""
    words = [{**word, **_times(word, offset)} for word in raw.get("words") or ()]
    known = {name: value for name, value in raw.items() if not (isinstance(value, float) and isnan(value))}
    seek = int(raw["seek"]) + round(offset * 100)
    return Segment.model_validate({**known, **_times(raw, offset), "seek": seek, "words": words})


def _times(raw: dict[str, Any], offset: float) -> dict[str, float]:
    return {name: round(float(raw[name]) + offset, 3) for name in ("start", "end")}
