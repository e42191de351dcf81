"""What other servers would say a run needs, by the formulas they publish. All sizes in bytes.

Ollama: weights from the file; KV cache `2 · layers · fewest KV heads · (hidden / heads) · context · 2`, looked at
before a model is loaded (llm/memory.go); for models of its MLX engine the weights alone (x/mlxrunner/client.go).
GPUStack: safetensors `1.2 · weights + 2 GiB`, with no cache; GGUF by gguf-parser: weights, an exact cache, the output
buffer and 150 MiB, with a compute buffer of 0 on unified memory (gguf-parser `--platform-footprint`).
LocalAI: `2 · hidden · KV heads · context` for the cache, which knows no layers, then 2 · 2 % of the weights and 0.15 GB
(pkg/vram).
"""

from __future__ import annotations

from shared.runtimes import InstalledModel
from shared.units import GIB, MIB
from shared.vocabulary import Format


def ollama(model: InstalledModel, context: int, slots: int) -> int:
    if model.format is not Format.GGUF:
        return model.size
    shape = model.shape
    width = (shape.hidden or 0) // max(1, shape.query_heads or 1)
    heads = min(shape.kv_heads_per_layer, default=shape.kv_heads or 0)
    return model.size + 2 * (shape.layers or 0) * heads * width * context * slots * 2


def gpustack(model: InstalledModel, context: int, slots: int) -> int:
    if model.format is not Format.GGUF:
        return int(1.2 * model.size) + 2 * GIB
    shape = model.shape
    cache = 2 * (shape.attention_layers or 0) * (shape.kv_heads or 0) * (shape.key_dim or 0) * context * slots * 2
    output = ((shape.hidden or 0) + (shape.vocabulary or 0)) * slots * 4
    return model.size + cache + output + 150 * MIB


def local_ai(model: InstalledModel, context: int, slots: int) -> int:
    cache = 2 * (model.shape.hidden or 0) * (model.shape.kv_heads or 0) * context * slots
    return model.size + cache + int(0.04 * model.size) + 150_000_000


PEERS = {"Ollama": ollama, "GPUStack": gpustack, "LocalAI": local_ai}
