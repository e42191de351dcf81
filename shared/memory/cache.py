"""The KV cache of one sequence: how many tokens each layer keeps, and bytes for each of them.

Multi-head latent attention needs no rule of its own: its shape has one KV head as wide as the latent and the rotary
part, and no values. mlx-lm stores it so (`mlx_lm/models/deepseek_v3.py`), and so does llama.cpp since it can do without
values in a cache (https://github.com/ggml-org/llama.cpp/pull/19067).
"""

from __future__ import annotations

from math import ceil, sqrt

from shared.memory.engine import Engine, Family
from shared.runtimes import ModelShape
from shared.units import GIB, KIB

#: Tokens; caches of every engine grow by this many.
STEP = 256
#: KV bytes per token of a model of unknown shape with 1 GiB of weights.
UNKNOWN_TOKEN = 96 * KIB


def known_cache(shape: ModelShape, context: int, engine: Engine) -> int | None:
    """KV bytes of one sequence of `context` tokens; `None` when the shape does not say."""
    heads = _heads(shape)
    if heads is None or shape.key_dim is None or shape.value_dim is None:
        return None
    everywhere, windowed = heads
    cells = everywhere * stepped(context) + windowed * window_cells(shape, context, engine)
    return ceil(cells * token_bytes(shape, engine))


def unknown_cache(weights: int, context: int) -> int:
    """96 KiB per token at 1 GiB of weights, growing with their square root.

    4-bit models have 52 (70B) to 95 (4B) KiB per token and root of a GiB, so this errs upwards for most.
    """
    return ceil(UNKNOWN_TOKEN * sqrt(weights / GIB)) * stepped(context)


def token_bytes(shape: ModelShape, engine: Engine) -> float:
    """Bytes of the key and the value of one head for one token."""
    key = shape.element if engine.key is None else engine.key
    value = shape.element if engine.value is None else engine.value
    return float((shape.key_dim or 0) * key + (shape.value_dim or 0) * value)


def window_cells(shape: ModelShape, context: int, engine: Engine) -> int:
    """Tokens that a sliding-window layer keeps.

    MLX appends the whole step before it drops what left the window (`RotatingKVCache`): window + step - 1.
    llama.cpp makes room for one more batch, for each sequence, in steps (`llama-kv-cache-iswa.cpp`).
    """
    window = shape.window or context
    if engine.family is Family.MLX:
        return min(stepped(context), window + engine.step - 1)
    return min(stepped(context), stepped(window + engine.step))


def stepped(tokens: int) -> int:
    return -(-tokens // STEP) * STEP


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
        return (0, 0) if full == shape.window_layers == 0 else None
    return full * shape.kv_heads, shape.window_layers * shape.kv_heads
