"""What other servers say of published models: the figures that their own code gives for them."""

from __future__ import annotations

import pytest

from shared.runtimes import InstalledModel, ModelShape
from shared.units import GIB, MIB, Bytes
from shared.vocabulary import Capability, Format
from tests.load.peer_formulas import gpustack, local_ai, ollama


def model(form: Format = Format.GGUF, **shape: int) -> InstalledModel:
    return InstalledModel(
        id="m", name="m", format=form, path="m", size=Bytes(GIB), context=131_072,
        capabilities=(Capability.GENERATE,), shape=ModelShape(**shape),
    )  # fmt: skip


LLAMA_8B = model(layers=32, attention_layers=32, query_heads=32, kv_heads=8, key_dim=128, value_dim=128, hidden=4096)
QWEN_30B = model(layers=48, attention_layers=48, query_heads=32, kv_heads=4, key_dim=128, value_dim=128, hidden=2048)
GEMMA_27B = model(layers=62, attention_layers=10, query_heads=32, kv_heads=16, key_dim=128, value_dim=128, hidden=5376)


@pytest.mark.parametrize(("said", "cache"), [(LLAMA_8B, 1024), (QWEN_30B, 384)])
def test_ollama_takes_hidden_by_heads_for_the_width_of_a_head(said: InstalledModel, cache: int) -> None:
    assert ollama(said, 8192, 1) - said.size == cache * MIB


def test_ollama_takes_every_layer_to_see_the_whole_context() -> None:
    assert (ollama(GEMMA_27B, 32_768, 1) - GEMMA_27B.size) / GIB == pytest.approx(20.3, abs=0.05)


def test_ollama_counts_the_weights_alone_for_mlx() -> None:
    assert ollama(model(Format.SAFETENSORS, layers=32), 32_768, 8) == GIB


@pytest.mark.parametrize(("said", "cache"), [(LLAMA_8B, 512), (QWEN_30B, 128)])
def test_local_ai_knows_no_layers(said: InstalledModel, cache: int) -> None:
    assert local_ai(said, 8192, 1) == int(1.04 * GIB) + 150_000_000 + cache * MIB


def test_gpustack_knows_no_cache_of_safetensors() -> None:
    assert gpustack(model(Format.SAFETENSORS, layers=32), 32_768, 8) == int(1.2 * GIB) + 2 * GIB
