"""Bytes of weights whose files' sizes are not known: elements × bits. Where sizes are known, they win.

Quantised weights stay packed in memory, and a quantised model leaves some layers as they were; so a file's size is
right where this can only be near.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from typing import Any

from shared.memory.element import packed
from shared.units import Bytes

#: Group sizes of MLX's modes where none is given (`mlx_lm/utils.py`).
_GROUPS = {"affine": 64, "mxfp4": 32, "mxfp8": 32, "nvfp4": 16}
_BITS = {"affine": 4, "mxfp4": 4, "mxfp8": 8, "nvfp4": 4}


def bits_per_weight(mode: str = "affine", bits: int | None = None, group: int | None = None) -> Fraction:
    """Bits that one weight takes, scales included.

    `affine` has a scale and an offset of 16 bits for each group; `mxfp4`, `mxfp8` and `nvfp4` a scale of 8 bits and no
    offset. Raises ValueError for a mode MLX does not have.
    """
    if mode not in _GROUPS:
        raise ValueError(f"{mode!r} is no quantisation of MLX: {', '.join(_GROUPS)}")
    width, size = bits or _BITS[mode], group or _GROUPS[mode]
    return 8 * packed(width, size) if mode == "affine" else width + Fraction(8, size)


def packed_size(tensors: Mapping[str, int], quantization: Mapping[str, Any] | None, element: int = 2) -> Bytes:
    """Bytes of `tensors` (elements by the path of their layer) as `quantization` of a `config.json` packs them.

    Layers that it names have settings of their own, or `false`: they stay in elements of `element` bytes.
    """
    return Bytes(ceil(sum(count * _bits(path, quantization, element) for path, count in tensors.items()) / 8))


def _bits(path: str, quantization: Mapping[str, Any] | None, element: int) -> Fraction:
    if quantization is None:
        return Fraction(8 * element)
    own = quantization.get(path, quantization)
    if not isinstance(own, Mapping):
        return Fraction(8 * element) if own is False else _bits("", quantization, element)
    return bits_per_weight(own.get("mode", quantization.get("mode", "affine")), own.get("bits"), own.get("group_size"))
