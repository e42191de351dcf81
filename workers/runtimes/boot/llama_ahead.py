"""What was read ahead of an answer, and how it is put right in what llama.cpp tells of that answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.told import amount, count


@dataclass(frozen=True, slots=True)
class Prefilled:
    """What was read ahead of an answer, which llama.cpp now takes for known all along."""

    #: Tokens of the prompt that it knew before.
    cached: int
    #: Milliseconds that it read since.
    milliseconds: float

    def amended(self, said: dict[str, Any]) -> dict[str, Any]:
        """The answer, or a chunk of one, with what was read in its `usage`, `timings` and `prompt_progress`."""
        if self is NOTHING:
            return said
        usage, timings, progress = said.get("usage"), said.get("timings"), said.get("prompt_progress")
        if isinstance(usage, dict) and isinstance(details := usage.get("prompt_tokens_details"), dict):
            details["cached_tokens"] = min(self.cached, count(details.get("cached_tokens")))
        if isinstance(progress, dict) and "cache" in progress:
            progress["cache"] = min(self.cached, count(progress["cache"]))
        if isinstance(timings, dict) and "cache_n" in timings:
            _amend(timings, count(timings["cache_n"]), self)
        return said


#: The prompt was sent whole.
NOTHING = Prefilled(0, 0.0)


def _amend(timings: dict[str, Any], cached: int, ahead: Prefilled) -> None:
    """The fields of llama.cpp's `result_timings`."""
    more = max(0, cached - ahead.cached)
    read = count(timings.get("prompt_n")) + more
    took = (amount(timings.get("prompt_ms")) or 0.0) + ahead.milliseconds
    timings |= {"cache_n": cached - more, "prompt_n": read, "prompt_ms": took}
    if read and took:
        timings |= {"prompt_per_token_ms": took / read, "prompt_per_second": 1000 * read / took}
