"""Which layers of an architecture cache the whole context, and which only a window of it."""

from __future__ import annotations

from collections.abc import Sequence

#: Every n-th layer sees the whole context and the others a window, where files give a window but no pattern.
#: Other architectures carry a window that engines do not use (Mistral, Phi-3, Qwen2): all their layers count as full.
PERIODS = {"gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "cohere2": 4}

_FULL = frozenset({"full_attention", "attention", "global_attention", "global"})
_WINDOWED = frozenset({"sliding_attention", "chunked_attention", "local_attention", "local"})
_RECURRENT = frozenset({"linear_attention", "mamba", "mamba2", "conv", "recurrent", "ssm"})


def split_by_type(types: Sequence[object]) -> tuple[int, int]:
    """How many layers are full and how many windowed, from names such as `full_attention`; others cache nothing."""
    return sum(name in _FULL for name in types), sum(name in _WINDOWED for name in types)


def is_recurrent(name: object) -> bool:
    """Whether a layer so named keeps a state of fixed size."""
    return name in _RECURRENT


def split_by_period(architecture: str, layers: int, period: int | None) -> tuple[int, int]:
    """The same from "one in `period` is full"; `None` takes what is known of the architecture."""
    every = period or PERIODS.get(architecture.removesuffix("_text").replace("_", "-"))
    if every is None:
        return layers, 0
    return layers // every, layers - layers // every
