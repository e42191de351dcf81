"""What each family of recurrent models keeps, read from its own words in `config.json`."""

from __future__ import annotations

from typing import Any

import pytest

from shared.transformers_config import shape

_BASE: dict[str, Any] = {"num_hidden_layers": 8, "num_attention_heads": 4, "hidden_size": 256}

#: Config beside the base, then layers that attend, elements of state and of inputs, over all layers.
FAMILIES: dict[str, tuple[dict[str, Any], int, int, int]] = {
    "gated delta": (
        {
            "model_type": "qwen3_next", "full_attention_interval": 4, "linear_num_value_heads": 8,
            "linear_num_key_heads": 4, "linear_value_head_dim": 64, "linear_key_head_dim": 32,
            "linear_conv_kernel_dim": 4,
        },
        2, 6 * 8 * 64 * 32, 6 * 3 * (2 * 4 * 32 + 8 * 64),
    ),
    "kimi delta": (
        {
            "model_type": "kimi_linear",
            "linear_attn_config": {
                "num_heads": 4, "head_dim": 64, "short_conv_kernel_size": 4, "full_attn_layers": [4, 8],
            },
        },
        2, 6 * 4 * 64 * 64, 6 * 3 * 3 * 4 * 64,
    ),
    "mamba 2 beside attention": (
        {
            "model_type": "granitemoehybrid", "layer_types": ["mamba", "mamba", "mamba", "attention"] * 2,
            "mamba_n_heads": 8, "mamba_d_head": 64, "mamba_d_state": 128, "mamba_d_conv": 4, "mamba_n_groups": 1,
        },
        2, 6 * 512 * 128, 6 * 3 * (512 + 256),
    ),
    "mamba 2 by a pattern": (
        {
            "model_type": "nemotron_h", "hybrid_override_pattern": "M-M*-M-M", "mamba_num_heads": 8,
            "mamba_head_dim": 64, "ssm_state_size": 128, "conv_kernel": 4, "n_groups": 8,
        },
        1, 4 * 512 * 128, 4 * 3 * (512 + 2 * 8 * 128),
    ),
    "mamba 2 in every layer": (
        {
            "model_type": "falcon_h1", "mamba_n_heads": 8, "mamba_d_head": 64, "mamba_d_state": 128,
            "mamba_d_conv": 4, "mamba_n_groups": 1,
        },
        8, 8 * 512 * 128, 8 * 3 * (512 + 256),
    ),
    "mamba 2 alone": (
        {"model_type": "mamba2", "num_heads": 8, "head_dim": 64, "state_size": 128, "conv_kernel": 4, "n_groups": 1},
        0, 8 * 512 * 128, 8 * 3 * (512 + 256),
    ),
    "mamba alone": (
        {"model_type": "mamba", "intermediate_size": 512, "state_size": 16, "conv_kernel": 4},
        0, 8 * 512 * 16, 8 * 3 * 512,
    ),
    "jamba": (
        {
            "model_type": "jamba", "attn_layer_period": 8, "attn_layer_offset": 4, "mamba_d_state": 16,
            "mamba_d_conv": 4, "mamba_expand": 2, "intermediate_size": 999,
        },
        1, 7 * 512 * 16, 7 * 3 * 512,
    ),
    "short convolutions": (
        {"model_type": "lfm2", "conv_L_cache": 3, "full_attn_idxs": [2, 5]},
        2, 0, 6 * 2 * 256,
    ),
    "rwkv": ({"model_type": "rwkv7", "head_dim": 64}, 0, 8 * 256 * 64, 8 * 2 * 256),
    "none": ({"model_type": "llama"}, 8, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize(("config", "attending", "state", "inputs"), FAMILIES.values(), ids=FAMILIES)
def test_a_family_keeps_what_its_config_says(config: dict[str, Any], attending: int, state: int, inputs: int) -> None:
    found = shape({**_BASE, **config})
    assert (found.attention_layers, found.state, found.convolution) == (attending, state, inputs)
