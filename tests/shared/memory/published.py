"""Configurations that the makers of models publish, as far as memory goes, and what follows from them.

Sizes are those of float16 caches in GiB at 8, 32 and 128 thousand tokens of one sequence, while a model generates.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Row(NamedTuple):
    config: dict[str, Any]
    #: KV bytes of one token in layers that see everything.
    token: int
    caches: tuple[float, float, float]


def _plain(layers: int, heads: int, kv_heads: int, width: int, hidden: int, **more: Any) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": width,
        "hidden_size": hidden,
        **more,
    }


_GEMMA = {"model_type": "gemma3_text", "sliding_window": 1024, "sliding_window_pattern": 6}
_OSS = {"model_type": "gpt_oss", "sliding_window": 128}
_DELTA = {
    "full_attention_interval": 4,
    "linear_num_value_heads": 32,
    "linear_num_key_heads": 16,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_conv_kernel_dim": 4,
}
_LATENT = {"model_type": "deepseek_v3", "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128}


def _types(layers: int) -> list[str]:
    return ["sliding_attention", "full_attention"] * (layers // 2)


ROWS: dict[str, Row] = {
    "Llama-3.1-8B": Row(_plain(32, 32, 8, 128, 4096), 131_072, (1.00, 4.00, 16.0)),
    "Llama-3.3-70B": Row(_plain(80, 64, 8, 128, 8192), 327_680, (2.50, 10.0, 40.0)),
    "Qwen3-4B": Row(_plain(36, 32, 8, 128, 2560), 147_456, (1.12, 4.50, 18.0)),
    "Qwen3-8B": Row(_plain(36, 32, 8, 128, 4096), 147_456, (1.12, 4.50, 18.0)),
    "Qwen3-14B": Row(_plain(40, 40, 8, 128, 5120), 163_840, (1.25, 5.00, 20.0)),
    "Mistral-Small-24B": Row(_plain(40, 32, 8, 128, 5120), 163_840, (1.25, 5.00, 20.0)),
    "Qwen3-32B": Row(_plain(64, 64, 8, 128, 5120), 262_144, (2.00, 8.00, 32.0)),
    "Qwen3-30B-A3B": Row(_plain(48, 32, 4, 128, 2048), 98_304, (0.75, 3.00, 12.0)),
    "Phi-4-14B": Row(_plain(40, 40, 10, 128, 5120), 204_800, (1.56, 6.25, 25.0)),
    "GLM-4.5-Air": Row(_plain(46, 96, 8, 128, 4096), 188_416, (1.44, 5.75, 23.0)),
    "gpt-oss-20b": Row(_plain(24, 64, 8, 64, 2880, layer_types=_types(24), **_OSS), 24_576, (0.19, 0.75, 3.0)),
    "gpt-oss-120b": Row(_plain(36, 64, 8, 64, 2880, layer_types=_types(36), **_OSS), 36_864, (0.29, 1.13, 4.5)),
    "Gemma-3-12B": Row(_plain(48, 16, 8, 256, 3840, **_GEMMA), 65_536, (0.81, 2.31, 8.3)),
    "Gemma-3-27B": Row(_plain(62, 32, 16, 128, 5376, **_GEMMA), 81_920, (1.03, 2.91, 10.4)),
    "Qwen3-Next-80B-A3B": Row(_plain(48, 16, 2, 256, 2048, **_DELTA), 24_576, (0.19, 0.75, 3.0)),
    "Qwen3.5-35B-A3B": Row(_plain(40, 16, 2, 256, 2048, **_DELTA), 20_480, (0.16, 0.62, 2.5)),
    "DeepSeek-V3": Row(_plain(61, 128, 128, 192, 7168, **_LATENT), 70_272, (0.54, 2.14, 8.6)),
    "Kimi-K2": Row(_plain(61, 64, 64, 192, 7168, **_LATENT), 70_272, (0.54, 2.14, 8.6)),
}

#: Peaks that mlx-lm publishes (BENCHMARKS.md, M4 Max, prompt of 2,048 tokens, 128 generated), in GB, by bits a weight.
QWEN3_4B = _plain(36, 32, 8, 128, 2560, intermediate_size=9728, vocab_size=151_936)
QWEN3_30B = _plain(
    48, 32, 4, 128, 2048, moe_intermediate_size=768, num_experts_per_tok=8, vocab_size=151_936, intermediate_size=6144
)
PEAKS = [
    ("Qwen3-4B", QWEN3_4B, 4_022_468_096, None, 9.02),
    ("Qwen3-4B", QWEN3_4B, 4_022_468_096, (8, 64), 5.25),
    ("Qwen3-4B", QWEN3_4B, 4_022_468_096, (6, 64), 4.25),
    ("Qwen3-4B", QWEN3_4B, 4_022_468_096, (4, 32), 3.60),
    ("Qwen3-4B", QWEN3_4B, 4_022_468_096, (4, 64), 3.35),
    ("Qwen3-30B-A3B", QWEN3_30B, 30_532_122_624, (8, 64), 33.46),
    ("Qwen3-30B-A3B", QWEN3_30B, 30_532_122_624, (6, 64), 25.82),
    ("Qwen3-30B-A3B", QWEN3_30B, 30_532_122_624, (4, 64), 18.20),
]
