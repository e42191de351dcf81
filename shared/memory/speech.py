"""Whisper: an encoder whose cost is the same for every window of 30 s, and a decoder with two caches.

Longer audio adds its decoded samples alone: 16 kHz in float32, 64 kB a second.
"""

from __future__ import annotations

from shared.memory.engine import Engine
from shared.runtimes import ModelShape

FLOAT32 = 4


def speech_weights(shape: ModelShape, weights: int, engine: Engine) -> int:
    """Bytes of the weights in memory, of `weights` in the file."""
    return weights * (engine.weight or shape.element) // shape.element


def speech_cache(shape: ModelShape, engine: Engine) -> int:
    """Bytes of one slot: keys and values of the text so far, of every beam, and of the encoder's output."""
    width = (shape.kv_heads or 0) * ((shape.key_dim or 0) + (shape.value_dim or 0)) * (shape.layers or 0)
    return width * FLOAT32 * (engine.beams * (shape.context or 0) + shape.encoder_context)


def speech_work(shape: ModelShape, engine: Engine) -> int:
    """Bytes of one slot while its encoder works: the scores of every head over the window, and the feed-forward."""
    positions = shape.encoder_context
    scores = (shape.query_heads or shape.kv_heads or 0) * positions * positions
    forward = positions * (shape.feed_forward or 4 * (shape.hidden or 0))
    return (scores + forward) * FLOAT32
