"""Recurrent layers of a `config.json`: how many there are, and what each keeps for a sequence.

Every family has words of its own for the same two things: a state that is summed up, and the last inputs of a short
convolution. The names are those of the models' files in `mlx_lm/models/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.attention import is_recurrent
from shared.numbers import count

#: Tokens that Mamba 2 weighs against each other at once, each head in a matrix of its own (`mlx_lm/models/ssm.py`).
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Recurrent:
    """Elements of one layer for one sequence."""

    state: int = 0
    convolution: int = 0
    #: Of one token on its way through the layer.
    width: int = 0
    #: Of the state, if every token of a prompt makes a new one where there is no GPU kernel for the layer.
    stepped: int = 0


def recurrent_layer(config: dict[str, Any], architecture: str) -> Recurrent:
    """What one recurrent layer keeps; nothing when the config speaks of none."""
    for read in (_gated_delta, _kimi_delta, _mamba2, _mamba1, _short_convolution, _rwkv):
        found = read(config, architecture)
        if found is not None:
            return found
    return Recurrent()


def recurrent_layers(config: dict[str, Any], architecture: str, layers: int, attention: int) -> int:
    """How many layers are recurrent, of `layers` of which `attention` cache keys and values."""
    if architecture == "falcon_h1":
        return layers
    pattern = config.get("hybrid_override_pattern")
    if isinstance(pattern, str | list):
        return sum(part in ("M", "mamba") for part in pattern)
    for key in ("layer_types", "layers_block_type"):
        if isinstance(config.get(key), list):
            return sum(is_recurrent(name) for name in config[key])
    return layers - attention


def _gated_delta(config: dict[str, Any], _: str) -> Recurrent | None:
    heads, keys = count(config, "linear_num_value_heads"), count(config, "linear_num_key_heads")
    value, key = count(config, "linear_value_head_dim"), count(config, "linear_key_head_dim")
    if not (heads and keys and value and key):
        return None
    inputs = 2 * keys * key + heads * value
    kept = _remembered(config, "linear_conv_kernel_dim") * inputs
    state = heads * value * key
    return Recurrent(state, kept, 3 * (inputs + heads * value), state)


def _kimi_delta(config: dict[str, Any], _: str) -> Recurrent | None:
    linear = config.get("linear_attn_config")
    if not isinstance(linear, dict):
        return None
    heads, width = count(linear, "num_heads") or 0, count(linear, "head_dim") or 0
    inner = heads * width
    return Recurrent(
        inner * width, 3 * _remembered(linear, "short_conv_kernel_size") * inner, 12 * inner, inner * width
    )


def _mamba2(config: dict[str, Any], architecture: str) -> Recurrent | None:
    own = architecture == "mamba2"
    heads = count(config, "mamba_n_heads", "mamba_num_heads", *(("num_heads",) if own else ()))
    width = count(config, "mamba_d_head", "mamba_head_dim", *(("head_dim",) if own else ()))
    states = count(config, "mamba_d_state", "ssm_state_size", "state_size")
    if not (heads and width and states):
        return None
    inner = heads * width
    groups = count(config, "mamba_n_groups", "n_groups") or 1
    inputs = inner + 2 * groups * states
    kept = _remembered(config, "mamba_d_conv", "conv_kernel") * inputs
    return Recurrent(inner * states, kept, 3 * (inner + inputs + heads * _CHUNK))


def _mamba1(config: dict[str, Any], architecture: str) -> Recurrent | None:
    states = count(config, "mamba_d_state", "state_size")
    if not states or ("mamba" not in architecture and architecture != "jamba"):
        return None
    hidden = count(config, "hidden_size", "d_model") or 0
    expanded = (count(config, "mamba_expand", "expand") or 2) * hidden
    # Jamba's `intermediate_size` is that of its feed-forward; Mamba has no other.
    inner = expanded if architecture == "jamba" else count(config, "intermediate_size", "d_inner") or expanded
    return Recurrent(inner * states, _remembered(config, "mamba_d_conv", "conv_kernel", "d_conv") * inner, 6 * inner)


def _short_convolution(config: dict[str, Any], _: str) -> Recurrent | None:
    if count(config, "conv_L_cache") is None:
        return None
    hidden = count(config, "hidden_size") or 0
    return Recurrent(0, _remembered(config, "conv_L_cache") * hidden, 4 * hidden)


def _rwkv(config: dict[str, Any], architecture: str) -> Recurrent | None:
    if not architecture.startswith("rwkv"):
        return None
    hidden, width = count(config, "hidden_size") or 0, count(config, "head_dim", "head_size") or 64
    return Recurrent(hidden * width, 2 * hidden, 6 * hidden)


def _remembered(config: dict[str, Any], *keys: str) -> int:
    """Inputs that a convolution keeps: all of its width but the newest."""
    return max(0, (count(config, *keys) or 4) - 1)
