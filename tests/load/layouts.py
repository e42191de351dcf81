"""Random models of each layout that mlx-lm caches differently, big enough that weights and caches outweigh the engine.

Most of the weights are words: a table that is loaded and seldom multiplied with keeps the measurement short on a CPU.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from shared.runtimes import InstalledModel
from shared.vocabulary import Capability
from shared.weights import inspect
from tests.models import write_tokenizer

_WORDS = 131072
_COMMON: dict[str, Any] = {
    "vocab_size": _WORDS,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 4096,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
}
_EXPERTS: dict[str, Any] = {
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "moe_intermediate_size": 128,
    "norm_topk_prob": True,
}

#: What each model's `config.json` says, by layout.
LAYOUTS: dict[str, dict[str, Any]] = {
    "llama": {**_COMMON, "model_type": "llama"},
    "qwen3-moe": {**_COMMON, **_EXPERTS, "model_type": "qwen3_moe", "num_key_value_heads": 4},
    "gemma3": {
        **_COMMON,
        "model_type": "gemma3_text",
        "num_hidden_layers": 12,
        "sliding_window": 256,
        "sliding_window_pattern": 6,
    },
    "gpt-oss": {
        **_COMMON,
        "model_type": "gpt_oss",
        "head_dim": 64,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": 128,
        "layer_types": ["sliding_attention", "full_attention"] * 4,
    },
    "deepseek-v3": {
        **_COMMON,
        "model_type": "deepseek_v3",
        "moe_intermediate_size": 128,
        "n_routed_experts": 8,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "first_k_dense_replace": 1,
        "kv_lora_rank": 512,
        "q_lora_rank": 256,
        "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 64,
        "v_head_dim": 64,
    },
    "qwen3-next": {
        **_COMMON,
        **_EXPERTS,
        "model_type": "qwen3_next",
        "head_dim": 256,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "linear_num_value_heads": 4,
        "linear_num_key_heads": 4,
        "linear_key_head_dim": 64,
        "linear_value_head_dim": 64,
        "linear_conv_kernel_dim": 4,
        "shared_expert_intermediate_size": 128,
        "partial_rotary_factor": 0.25,
        "full_attention_interval": 4,
    },
    "granite-hybrid": {
        **_COMMON,
        "model_type": "granitemoehybrid",
        "head_dim": 16,
        "attention_bias": False,
        "embedding_multiplier": 1.0,
        "attention_multiplier": 0.1,
        "logits_scaling": 1.0,
        "residual_multiplier": 1.0,
        "layer_types": ["mamba", "mamba", "mamba", "attention"] * 2,
        "shared_intermediate_size": 512,
        "mamba_expand": 2,
        "mamba_n_heads": 4,
        "mamba_d_head": 64,
        "mamba_d_state": 128,
        "mamba_d_conv": 4,
        "mamba_n_groups": 1,
        "mamba_proj_bias": False,
        "mamba_conv_bias": True,
    },
    "mamba2": {
        "model_type": "mamba2",
        "num_heads": 4,
        "head_dim": 64,
        "vocab_size": _WORDS,
        "hidden_size": 128,
        "intermediate_size": 256,
        "state_size": 128,
        "num_hidden_layers": 8,
        "layer_norm_epsilon": 1e-5,
        "conv_kernel": 4,
        "n_groups": 1,
        "use_bias": False,
        "use_conv_bias": True,
        "tie_word_embeddings": False,
        "time_step_limit": [0.001, 100.0],
        "time_step_rank": "auto",
        "max_position_embeddings": 4096,
    },
}

_WRITE = """
import json, sys
from pathlib import Path
import mlx.core as mx
from mlx.utils import tree_flatten, tree_map
from mlx_lm.utils import _get_classes
config = json.loads(Path(sys.argv[1], "config.json").read_text())
build, arguments = _get_classes(config)
mx.random.seed(7)
model = build(arguments.from_dict(config))
def filled(value):
    if not mx.issubdtype(value.dtype, mx.floating):
        return value
    return mx.random.normal(value.shape) * 0.02
weights = dict(tree_flatten(tree_map(filled, model.parameters())))
mx.save_safetensors(str(Path(sys.argv[1], "model.safetensors")), weights, {"format": "mlx"})
"""


def random_model(layout: str, folder: Path) -> InstalledModel:
    """A model of `layout` with random weights in `folder`: 130 to 250 MB of babble."""
    folder.mkdir(parents=True, exist_ok=True)
    words = write_tokenizer(folder)
    config = {**LAYOUTS[layout], "dtype": "float32", "bos_token_id": words - 2, "eos_token_id": words - 1}
    (folder / "config.json").write_text(json.dumps(config))
    subprocess.run([sys.executable, "-c", _WRITE, str(folder)], check=True)
    return installed(layout, folder)


def installed(name: str, path: Path) -> InstalledModel:
    """A model on disk as the store would register it."""
    found = inspect(path)
    return InstalledModel(
        id=f"mdl_{name}",
        name=name,
        format=found.format,
        path=str(found.path),
        size=found.size,
        context=found.context,
        capabilities=found.capabilities or (Capability.GENERATE,),
        shape=found.shape,
    )
