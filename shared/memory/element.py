"""Bytes of one cached element, by the type an engine caches in."""

from __future__ import annotations

from fractions import Fraction

#: Types of llama.cpp's cache: bytes of a block of 32, scale and offset included, for each element (ggml.h).
CACHE_TYPES = {
    "f32": Fraction(4),
    "f16": Fraction(2),
    "bf16": Fraction(2),
    "q8_0": Fraction(34, 32),
    "q5_1": Fraction(24, 32),
    "q5_0": Fraction(22, 32),
    "q4_1": Fraction(20, 32),
    "q4_0": Fraction(18, 32),
    "iq4_nl": Fraction(18, 32),
}


def packed(bits: int, group: int, element: int = 2) -> Fraction:
    """Bytes of an element that MLX packs into `bits`, with a scale and an offset of `element` bytes for each group.

    `mlx_lm.models.cache.QuantizedKVCache` holds caches this way, and affine quantisation holds weights.
    """
    return Fraction(bits, 8) + Fraction(2 * element, group)
