"""Work space of the prefill: what an engine holds, beside weights and caches, while it works through a prompt.

Each rule names where its numbers come from. On a CPU only what is written to is held; a GPU's buffers count whole.
"""

from __future__ import annotations

from shared.memory.cache import stepped
from shared.memory.engine import SPARE, Engine, Family
from shared.runtimes import ModelShape

FLOAT32 = 4
#: Widths of a head that MLX's fused attention on Metal knows for a prefill.
FUSED = frozenset({64, 72, 80, 96, 128})
#: Prompts that mlx-lm's server works through side by side, at most; they share a step.
SIDE_BY_SIDE = 8
#: Layers whose intermediate results MLX holds at once: command buffers in flight keep what they use. From the peaks
#: that mlx-lm publishes for Qwen3-4B and Qwen3-30B-A3B (BENCHMARKS.md): weights and cache taken off, 3 layers remain.
LAYERS_IN_FLIGHT = 3


def work_space(shape: ModelShape, context: int, slots: int, engine: Engine) -> int:
    """Bytes that the prefill of as many prompts as `slots` takes at most; 0 for what the shape does not say."""
    if engine.family is Family.CTRANSLATE2:
        return 0
    if engine.family is Family.LLAMA:
        return _llama(shape, context, slots, engine)
    return _mlx(shape, context, slots, engine)


def _mlx(shape: ModelShape, context: int, slots: int, engine: Engine) -> int:
    tokens = min(engine.step, context * min(slots, SIDE_BY_SIDE))
    in_flight = LAYERS_IN_FLIGHT * tokens * layer_width(shape) * shape.element
    scores = tokens * _scores(shape, context, engine)
    if engine.gpu:
        return in_flight + scores + max(0, engine.spare - SPARE)
    # Without a kernel, a gated delta net is a loop over tokens, and their states wait for one another (measured: 1.4).
    return in_flight + scores + tokens * shape.stepped_state * FLOAT32 * 7 // 5


def _scores(shape: ModelShape, context: int, engine: Engine) -> int:
    """Bytes of attention for one token of a prompt: the output where the kernel is fused, else a row of scores."""
    heads, width = shape.query_heads or 0, _query(shape)
    if engine.gpu and width in FUSED:
        return heads * width * FLOAT32
    return heads * stepped(context) * (shape.element if engine.gpu else FLOAT32)


def _llama(shape: ModelShape, context: int, slots: int, engine: Engine) -> int:
    """The compute buffer, which one batch of all slots shares: the largest of what it holds in turn, in float32.

    On a GPU these are the logits of a whole batch: 512 tokens of Llama 3 take 258.5 MiB, as its log says.
    """
    rows = min(engine.step, context * slots)
    logits = (shape.vocabulary or 0) if engine.gpu else 0
    scores = 0 if engine.flash else (shape.query_heads or 0) * stepped(context)
    widest = max(logits + (shape.hidden or 0), scores, layer_width(shape))
    return rows * widest * FLOAT32


def layer_width(shape: ModelShape) -> int:
    """Elements that one token makes on its way through a layer: residuals, queries, keys, values, feed-forward."""
    hidden = shape.hidden or 0
    cached = (shape.kv_heads or 0) * ((shape.key_dim or 0) + (shape.value_dim or 0))
    attention = 3 * (shape.query_heads or 0) * _query(shape) + cached
    forward = shape.experts * (3 * (shape.feed_forward or 0) + (hidden if shape.experts > 1 else 0))
    return 6 * hidden + max(attention, shape.recurrent_width) + forward


def _query(shape: ModelShape) -> int:
    return shape.query_dim or shape.key_dim or 0
