"""Measure one request to a run, and sum up many such samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from shared.completions import Completion
from shared.stats import summarise

#: A run that writes less than this part of what it was allowed stopped early: its decode rate is of few tokens.
_EARLY = 0.9
_METRICS = (
    "decode_tokens_per_second",
    "prefill_tokens_per_second",
    "ttft_seconds",
    "seconds",
    "engine_decode_tokens_per_second",
    "engine_prefill_tokens_per_second",
)


def sample(completion: Completion, max_tokens: int) -> dict[str, Any]:
    """What one streamed request took.

    `ttft_seconds` ends at the first piece with text, of the answer or its reasoning.
    `decode_tokens_per_second` is (tokens − 1) / (last − first piece): the first token belongs to the prefill.
    `prefill_tokens_per_second` is prompt tokens / TTFT, so it has the engine's and the wire's latency in it; tokens
    that the engine says it had cached (the start of its chat template comes before any nonce) are not counted.
    What the engine's own clock says is kept apart as `engine_…`. `None`: cannot be known.
    """
    prompt, written = completion.usage.get("prompt_tokens"), completion.usage.get("completion_tokens")
    cached = (completion.usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    first, last = completion.first, completion.last
    decode = (written - 1) / (last - first) if written and written > 1 and first and last and last > first else None
    timings = completion.response.get("timings") or {}
    return {
        "prompt_tokens": prompt,
        "cached_tokens": cached,
        "completion_tokens": written,
        "finish_reason": completion.finish_reason,
        "early_stop": written is not None and written < _EARLY * max_tokens,
        "ttft_seconds": first,
        "seconds": completion.seconds,
        "decode_tokens_per_second": decode,
        "prefill_tokens_per_second": (prompt - cached) / first if prompt and first else None,
        "engine_decode_tokens_per_second": timings.get("predicted_per_second"),
        "engine_prefill_tokens_per_second": timings.get("prompt_per_second"),
    }


def sum_up(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Statistics of each metric, for each prompt and over all of them; samples with an error only count as such."""
    good = [one for one in samples if "error" not in one]
    names = list(dict.fromkeys(one["prompt"] for one in good))
    by_prompt = {name: [one for one in good if one["prompt"] == name] for name in names}
    return {
        "samples": len(good),
        "failed_samples": len(samples) - len(good),
        "early_stops": sum(one["early_stop"] for one in good),
        "overall": _metrics(list(by_prompt.values())),
        "prompts": {name: _metrics([group]) | _tokens(group) for name, group in by_prompt.items()},
    }


def _metrics(groups: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _METRICS:
        summary = summarise([[one[name] for one in group if one[name] is not None] for group in groups])
        if summary is not None:
            found[name] = asdict(summary)
    return found


def _tokens(group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = [one["prompt_tokens"] for one in group if one["prompt_tokens"] is not None]
    return {"prompt_tokens": max(counts)} if counts else {}
