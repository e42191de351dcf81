"""The estimate against the KV cache of published models (`2 · layers · heads · dim` elements of two bytes)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.memory import STEP, Engine, Family, Need, estimate
from shared.runtimes import ModelShape
from shared.units import GIB, MIB, Bytes


def shape(
    full: int, heads: int, dim: int, *, layers: int | None = None, window: int | None = None, windowed: int = 0
) -> ModelShape:
    return ModelShape(
        layers=layers or full + windowed,
        attention_layers=full,
        kv_heads=heads,
        key_dim=dim,
        value_dim=dim,
        window=window,
        window_layers=windowed,
    )


#: MLX while it generates: one token at a time, so that window layers hold their window and no more.
GENERATING = Engine(Family.MLX, step=1)

LATENT = ModelShape(layers=61, attention_layers=61, kv_heads=1, key_dim=512 + 64, value_dim=0)

#: Model, shape, KV cache in GiB at 8k, 32k and 128k tokens.
PUBLISHED = [
    ("Llama-3.1-8B", shape(32, 8, 128), (1.00, 4.00, 16.0)),
    ("Llama-3.3-70B", shape(80, 8, 128), (2.50, 10.0, 40.0)),
    ("Qwen3-8B", shape(36, 8, 128), (1.12, 4.50, 18.0)),
    ("Qwen3-14B", shape(40, 8, 128), (1.25, 5.00, 20.0)),
    ("Qwen3-32B", shape(64, 8, 128), (2.00, 8.00, 32.0)),
    ("Qwen3-30B-A3B", shape(48, 4, 128), (0.75, 3.00, 12.0)),
    ("Phi-4-14B", shape(40, 10, 128), (1.56, 6.25, 25.0)),
    ("GLM-4.5-Air", shape(46, 8, 128), (1.44, 5.75, 23.0)),
    ("gpt-oss-20b", shape(12, 8, 64, window=128, windowed=12), (0.19, 0.75, 3.0)),
    ("gpt-oss-120b", shape(18, 8, 64, window=128, windowed=18), (0.29, 1.13, 4.5)),
    ("Gemma-3-12B", shape(8, 8, 256, window=1024, windowed=40), (0.81, 2.31, 8.3)),
    ("Gemma-3-27B", shape(10, 16, 128, window=1024, windowed=52), (1.03, 2.91, 10.4)),
    ("Qwen3-Next-80B-A3B", shape(12, 2, 256, layers=48), (0.19, 0.75, 3.0)),
    ("Qwen3.5-35B-A3B", shape(10, 2, 256, layers=40), (0.16, 0.62, 2.5)),
    ("DeepSeek-V3", LATENT, (0.54, 2.14, 8.6)),
]


@pytest.mark.parametrize(("model", "of", "expected"), PUBLISHED, ids=[row[0] for row in PUBLISHED])
def test_the_cache_of_a_published_model_is_as_big_as_computed_from_its_config(
    model: str, of: ModelShape, expected: tuple[float, ...]
) -> None:
    caches = [estimate(of, Bytes(0), tokens * 1024, 1, Bytes(0), GENERATING).kv_cache / GIB for tokens in (8, 32, 128)]
    digits = (2, 2, 1)
    assert all(
        abs(cache - value) <= 0.6 * 10**-places for cache, value, places in zip(caches, expected, digits, strict=True)
    ), (model, caches)


def test_each_slot_has_a_cache_of_its_own() -> None:
    one = estimate(shape(32, 8, 128), Bytes(0), 4096, 1, Bytes(0)).kv_cache
    assert estimate(shape(32, 8, 128), Bytes(0), 4096, 6, Bytes(0)).kv_cache == 6 * one


def test_the_cache_grows_in_steps_of_256_tokens() -> None:
    caches = {tokens: estimate(shape(2, 1, 64), Bytes(0), tokens, 1, Bytes(0)).kv_cache for tokens in (1, 256, 257)}
    assert caches[1] == caches[256] == STEP * 2 * 2 * 64 * 2
    assert caches[257] == 2 * caches[256]


def test_layers_that_differ_are_summed_one_by_one() -> None:
    uneven = ModelShape(layers=4, attention_layers=3, kv_heads_per_layer=(8, 0, 4, 2), key_dim=64, value_dim=64)
    assert estimate(uneven, Bytes(0), 256, 1, Bytes(0)).kv_cache == (8 + 4 + 2) * 256 * 2 * 64 * 2


def test_the_widest_of_uneven_layers_are_taken_to_see_the_whole_context() -> None:
    uneven = ModelShape(
        attention_layers=1, window=256, window_layers=2, kv_heads_per_layer=(2, 8, 2), key_dim=64, value_dim=64
    )
    assert estimate(uneven, Bytes(0), 1024, 1, Bytes(0), GENERATING).kv_cache == (8 * 1024 + 4 * 256) * 2 * 64 * 2


def test_an_unknown_shape_is_estimated_from_the_size_of_its_weights() -> None:
    need = estimate(ModelShape(), Bytes(4 * GIB), 8192, 2, Bytes(300 * MIB))
    assert need.kv_cache == 2 * 2 * 96 * 1024 * 8192
    assert need.total == need.weights + need.kv_cache + need.base + need.margin


def test_five_percent_of_the_weights_are_added() -> None:
    assert estimate(ModelShape(), Bytes(100 * GIB), 0, 1, Bytes(0)).margin == 5 * GIB


def test_the_need_says_what_it_is_made_of() -> None:
    need = Need(weights=Bytes(4 * GIB), kv_cache=Bytes(GIB), base=Bytes(512 * MIB), margin=Bytes(0))
    assert need.sentence() == "needs 5.5 GiB: 4.0 GiB weights, 1.0 GiB KV cache, 512.0 MiB engine"


@given(st.integers(1, 200_000), st.integers(1, 64))
def test_more_context_or_slots_never_need_less(context: int, slots: int) -> None:
    gemma = shape(8, 8, 256, window=1024, windowed=40)
    now = estimate(gemma, Bytes(GIB), context, slots, Bytes(0)).total
    assert now <= estimate(gemma, Bytes(GIB), context + 100, slots, Bytes(0)).total
    assert now <= estimate(gemma, Bytes(GIB), context, slots + 1, Bytes(0)).total
