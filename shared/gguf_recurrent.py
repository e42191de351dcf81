"""Recurrent layers of a GGUF header: how many there are, and what each keeps for a sequence.

llama.cpp gives both sizes one name for all architectures: `llama_hparams::n_embd_s` is the state, `n_embd_r` the inputs
of the convolution.
"""

from __future__ import annotations

from typing import Any

from shared.gguf import Header
from shared.numbers import count


def state(header: Header) -> int:
    """Elements of state that one recurrent layer keeps for a sequence; 0 when the file speaks of none."""
    inner, width = _number(header, "ssm.inner_size"), _number(header, "ssm.state_size")
    head, delta = _number(header, "wkv.head_size"), _number(header, "kda.head_dim")
    return inner * width or _number(header, "embedding_length") * head or heads(header) * delta * delta


def convolution(header: Header) -> int:
    """Elements of inputs that its convolution keeps: all of its width but the newest."""
    hidden, short = _number(header, "embedding_length"), _number(header, "shortconv.l_cache")
    if short:
        return (short - 1) * hidden
    if _number(header, "wkv.head_size"):
        return 2 * hidden
    remembered = max(0, _number(header, "ssm.conv_kernel") - 1)
    delta = _number(header, "kda.head_dim")
    if delta:
        return 3 * remembered * delta * heads(header)
    inner, width = _number(header, "ssm.inner_size"), _number(header, "ssm.state_size")
    return remembered * (inner + 2 * _number(header, "ssm.group_count") * width)


def layers(header: Header, attending: int) -> int:
    """Layers with a state: those that do not attend; of Falcon H1, which does both in each, all."""
    every = _number(header, "block_count")
    return every if header.architecture == "falcon-h1" else max(0, every - attending)


def heads(header: Header) -> int:
    """Attention heads; of layers that differ, the most."""
    value = header.of_architecture("attention.head_count")
    counts = value if isinstance(value, tuple) else (value,)
    return max((_sensible(item) for item in counts), default=0)


def _number(header: Header, key: str) -> int:
    return _sensible(header.of_architecture(key))


def _sensible(value: Any) -> int:
    return count({"": value}, "") or 0
