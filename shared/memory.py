"""How many bytes a run will hold: weights + KV cache + what the engine takes + a margin. Pure.

Weights count with their file size: quantised weights stay packed in memory. The KV cache follows from the shape,
with 2-byte elements, in steps of 256 tokens as engines allocate it. Activations of the prefill are not predicted:
the engine's base covers a normal one, and the measured peak corrects the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from shared.runtimes import ModelShape
from shared.units import GIB, KIB, Bytes, format_bytes

#: Bytes of one cached element (float16 and bfloat16 alike).
ELEMENT = 2
#: Tokens; caches grow by this many.
STEP = 256
#: Part of the weights that is added for what no formula sees.
MARGIN = 0.05
#: KV bytes per token of a model of unknown shape with 1 GiB of weights.
UNKNOWN_TOKEN = 96 * KIB


@dataclass(frozen=True, slots=True)
class Need:
    """What a run needs, in bytes, by cause."""

    weights: Bytes
    kv_cache: Bytes
    base: Bytes
    margin: Bytes
    #: What measured peaks add to the estimate, or take from it (`shared/runs/learned.py`).
    correction: Bytes = Bytes(0)  # noqa: RUF009

    @property
    def total(self) -> Bytes:
        return Bytes(self.weights + self.kv_cache + self.base + self.margin + self.correction)

    def sentence(self) -> str:
        """`needs 5.9 GiB: 4.6 GiB weights, 1.0 GiB KV cache, …`."""
        parts = {
            "weights": self.weights,
            "KV cache": self.kv_cache,
            "engine": self.base,
            "margin": self.margin,
            "as measured before": self.correction,
        }
        causes = ", ".join(f"{format_bytes(size)} {cause}" for cause, size in parts.items() if size)
        return f"needs {format_bytes(self.total)}" + (f": {causes}" if causes else "")


def estimate(shape: ModelShape, weights: Bytes, context: int, slots: int, base: Bytes) -> Need:
    """What a run of `slots` sequences, each of `context` tokens, will hold.

    `weights` are the bytes of the weight files, `base` what the engine takes before any model.
    """
    per_slot = _known_cache(shape, context)
    if per_slot is None:
        per_slot = _unknown_cache(weights, context)
    return Need(
        weights=weights,
        kv_cache=Bytes(per_slot * slots),
        base=base,
        margin=Bytes(ceil(weights * MARGIN)),
    )


def _known_cache(shape: ModelShape, context: int) -> int | None:
    """KV bytes of one sequence; `None` when the shape does not say.

    `2 · heads · dim` elements per token and layer; window layers stop growing at their window. The fixed state of
    recurrent layers (tens of MiB at most) is left to the margin.
    """
    heads = _heads(shape)
    if heads is None or shape.key_dim is None or shape.value_dim is None:
        return None
    everywhere, windowed = heads
    per_head = (shape.key_dim + shape.value_dim) * ELEMENT
    window = min(context, shape.window or context)
    return per_head * (everywhere * _stepped(context) + windowed * _stepped(window))


def _heads(shape: ModelShape) -> tuple[int, int] | None:
    """KV heads summed over the layers that see the whole context, and over those that see a window."""
    full = shape.attention_layers
    if full is None and shape.layers is not None:
        full = shape.layers - shape.window_layers
    if full is None:
        return None
    if shape.kv_heads_per_layer:
        # Which layers are windowed is not in the shape: giving the widest ones the whole context errs upwards.
        widest = sorted(shape.kv_heads_per_layer, reverse=True)
        return sum(widest[:full]), sum(widest[full : full + shape.window_layers])
    if shape.kv_heads is None:
        return None
    return full * shape.kv_heads, shape.window_layers * shape.kv_heads


def _unknown_cache(weights: Bytes, context: int) -> int:
    """96 KiB per token at 1 GiB of weights, growing with their square root.

    4-bit models have 52 (70B) to 95 (4B) KiB per token and root of a GiB, so this errs upwards for most.
    """
    return ceil(UNKNOWN_TOKEN * sqrt(weights / GIB)) * _stepped(context)


def _stepped(tokens: int) -> int:
    return ceil(tokens / STEP) * STEP
