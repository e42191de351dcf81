"""Whisper through mlx-audio, on the GPU of a Mac.

mlx-audio returns only when all is transcribed: between two stretches segments are told, and a client that left is
noticed. MLX's streams belong to the thread that made them: what one thread has begun no other can finish ("There is no
Stream(gpu, 0) in current thread"), and each thread more keeps one. So a single thread loads and hears, as in the server
of mlx-audio itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import isnan
from pathlib import Path
from typing import Any, BinaryIO

import mlx.core as mx
from mlx_audio.stt.utils import load_model

from shared.subtitles import Segment
from workers.runtimes.boot.pcm import Recording, Samples
from workers.runtimes.boot.stretches import StretchedHearing, Told
from workers.runtimes.boot.transcription import Ask

_CACHE_BYTES = 256 * 1024**2


class MlxWhisper:
    """One model; its slots share the GPU one after the other."""

    def __init__(self, options: dict[str, Any]) -> None:
        mx.set_cache_limit(_CACHE_BYTES)
        self._thread = ThreadPoolExecutor(1)
        self._model = self._thread.submit(load_model, Path(options["model"])).result()

    def hear(self, audio: BinaryIO, ask: Ask) -> StretchedHearing:
        """Raises BadAudio when it cannot be decoded."""
        return StretchedHearing(self.listen, Recording(audio), ask)

    def listen(self, samples: Samples, told: Told) -> tuple[str, Iterator[Segment]]:
        """Segments come together, once all of the stretch was heard."""
        return self._thread.submit(self._listen, samples, told).result()

    def _listen(self, samples: Samples, told: Told) -> tuple[str, Iterator[Segment]]:
        settings = {} if told.temperature is None else {"temperature": told.temperature}
        result = self._model.generate(
            samples,
            # A model of English alone has no tokens for other languages, and would take what it is told.
            language=told.language if self._model.is_multilingual else "en",
            task=told.task,
            initial_prompt=told.prompt,
            word_timestamps=told.words,
            **settings,
        )
        return result.language, iter([_segment(raw) for raw in result.segments if raw["text"].strip()])


def _segment(raw: dict[str, Any]) -> Segment:
    """In whole milliseconds; what the engine could not count is left out."""
    words = [{**word, **_times(word)} for word in raw.get("words") or ()]
    known = {name: value for name, value in raw.items() if not (isinstance(value, float) and isnan(value))}
    return Segment.model_validate({**known, **_times(raw), "words": words})


def _times(raw: dict[str, Any]) -> dict[str, float]:
    return {name: round(float(raw[name]), 3) for name in ("start", "end")}
