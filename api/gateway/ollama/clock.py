"""How long the parts of an answer took, as Ollama tells it: loading, reading the prompt, writing; in nanoseconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

_NANOSECONDS = 1_000_000_000


@dataclass(slots=True)
class Clock:
    """When things happened, in seconds of the monotonic clock."""

    began: float = field(default_factory=time.monotonic)
    #: When the model was still being loaded, the last time anybody looked.
    loading: float | None = None
    first: float | None = None
    #: Seconds of the prompt and of the answer, as the engine measured them.
    engine: tuple[float, float] | None = None

    def wait(self) -> None:
        """The model is not there yet."""
        self.loading = time.monotonic()

    def heard(self) -> None:
        """A piece of the answer."""
        if self.first is None:
            self.first = time.monotonic()

    def measured(self, timings: Any) -> None:
        """What llama.cpp tells with its answer; other engines tell nothing."""
        if isinstance(timings, dict) and "predicted_ms" in timings:
            self.engine = (timings.get("prompt_ms") or 0.0) / 1000, (timings["predicted_ms"] or 0.0) / 1000

    def durations(self) -> dict[str, int]:
        """The engine's own numbers, with all that came before them as loading; else by what was seen from here.

        Of an answer in one piece nothing was seen but its end: it counts as writing, which clients divide by.
        """
        total = time.monotonic() - self.began
        loaded = self.loading - self.began if self.loading is not None else 0.0
        read = self.first - self.began - loaded if self.first is not None else 0.0
        wrote = total - loaded - read
        if self.engine is not None:
            read, wrote = self.engine
            loaded = total - read - wrote
        return {
            "total_duration": nanoseconds(total),
            "load_duration": nanoseconds(loaded),
            "prompt_eval_duration": nanoseconds(read),
            "eval_duration": nanoseconds(wrote),
        }


def nanoseconds(seconds: float) -> int:
    return max(0, int(seconds * _NANOSECONDS))
