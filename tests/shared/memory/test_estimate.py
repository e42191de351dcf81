"""What an estimate is made of."""

from __future__ import annotations

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
