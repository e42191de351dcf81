"""What each engine does with layers, caches and prompts, as far as memory goes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.memory import Engine, Family, engine_of, estimate
from shared.memory.element import CACHE_TYPES
from shared.memory.sight import sight_work
from shared.pictures import MOST_PIXELS
from shared.runtimes import ModelShape, VisionShape
from shared.units import GIB, MIB, Bytes
from shared.vocabulary import Format

WIDE = ModelShape(
    layers=4, attention_layers=4, kv_heads=2, key_dim=64, value_dim=64,
    query_heads=8, hidden=512, feed_forward=1024, vocabulary=32_000,
)  # fmt: skip
WINDOWED = WIDE.model_copy(update={"attention_layers": 1, "window": 1000, "window_layers": 3})
RECURRENT = WIDE.model_copy(update={"attention_layers": 1, "state": 9_000, "convolution": 600, "recurrent_width": 900})
WHISPER = ModelShape(
    architecture="whisper", layers=4, attention_layers=4, kv_heads=6, key_dim=64, value_dim=64, hidden=384,
    query_heads=6, feed_forward=1536, context=448, encoder_layers=4, encoder_context=1500,
)  # fmt: skip
SHAPES = st.sampled_from([WIDE, WINDOWED, RECURRENT, WHISPER, ModelShape()])
ENGINES = st.builds(
    Engine,
    family=st.sampled_from(Family),
    step=st.sampled_from([32, 512, 2048]),
    key=st.none() | st.sampled_from(sorted(CACHE_TYPES.values())),
    flash=st.booleans(),
    gpu=st.booleans(),
)
TOKEN = 2 * 2 * 64 * 2


def cache(shape: ModelShape, context: int, engine: Engine, slots: int = 1) -> int:
    return estimate(shape, Bytes(0), context, slots, Bytes(0), engine).kv_cache


def test_mlx_appends_a_whole_step_before_a_window_lets_go() -> None:
    assert cache(WINDOWED, 8192, Engine(Family.MLX, step=512)) == TOKEN * (8192 + 3 * (1000 + 511))


def test_llama_cpp_makes_room_for_one_batch_beside_a_window() -> None:
    assert cache(WINDOWED, 8192, Engine(Family.LLAMA, step=512)) == TOKEN * (8192 + 3 * 1536)


@pytest.mark.parametrize("family", [Family.MLX, Family.LLAMA])
def test_a_window_never_keeps_more_than_the_context(family: Family) -> None:
    assert cache(WINDOWED, 512, Engine(family, step=512)) == TOKEN * 4 * 512


def test_llama_cpp_caches_keys_and_values_in_the_types_that_are_asked_for() -> None:
    engine = engine_of(Format.GGUF, WIDE, {"cache_type_k": "q8_0", "cache_type_v": "q4_0"})
    assert cache(WIDE, 1024, engine) == 1024 * 4 * 2 * 64 * (34 + 18) // 32


def test_mlx_caches_in_the_element_the_model_computes_with() -> None:
    exact = WIDE.model_copy(update={"element": 4})
    mlx = engine_of(Format.SAFETENSORS, exact, {})
    assert cache(exact, 1024, mlx) == 2 * cache(WIDE, 1024, mlx)


def test_mlx_packs_caches_with_a_scale_and_an_offset_for_each_group() -> None:
    engine = engine_of(Format.SAFETENSORS, WIDE, {"kv_bits": 8})
    assert cache(WIDE, 1024, engine) * 2 == cache(WIDE, 1024, Engine(Family.MLX)) * 1.0625


def test_recurrent_layers_keep_float32_in_llama_cpp_and_the_model_s_element_in_mlx() -> None:
    states = {
        family: estimate(RECURRENT, Bytes(0), 512, 2, Bytes(0), Engine(family)).state
        for family in (Family.MLX, Family.LLAMA)
    }
    assert states == {Family.MLX: 2 * (9_000 * 4 + 600 * 2), Family.LLAMA: 2 * (9_000 * 4 + 600 * 4)}


@pytest.mark.parametrize("slots", [1, 8])
def test_mlx_keeps_the_prompt_that_finished_last(slots: int) -> None:
    need = estimate(WIDE, Bytes(0), 1024, slots, Bytes(0), Engine(Family.MLX))
    assert need.kept * slots == need.kv_cache > 0
    assert estimate(WIDE, Bytes(0), 1024, 1, Bytes(0), Engine(Family.LLAMA)).kept == 0


def test_attention_that_no_kernel_fuses_holds_a_row_of_scores_for_every_token() -> None:
    odd = WIDE.model_copy(update={"key_dim": 256, "value_dim": 256})
    gpu = Engine(Family.MLX, step=2048, gpu=True)
    fused, scored = (estimate(shape, Bytes(0), 131_072, 1, Bytes(0), gpu).prefill for shape in (WIDE, odd))
    assert fused < 200 * MIB
    assert scored > 8 * 2048 * 131_072 * 2


def test_a_smaller_prefill_step_takes_less_work_space() -> None:
    small, usual = (engine_of(Format.SAFETENSORS, WIDE, params) for params in ({"prefill_step": 128}, {}))
    assert (
        estimate(WIDE, Bytes(0), 8192, 1, Bytes(0), small).prefill * 16
        == estimate(WIDE, Bytes(0), 8192, 1, Bytes(0), usual).prefill
    )


def test_without_flash_attention_llama_cpp_holds_the_scores() -> None:
    engine = engine_of(Format.GGUF, WIDE, {"flash_attention": "off"})
    assert estimate(WIDE, Bytes(0), 32_768, 1, Bytes(0), engine).prefill == 128 * 8 * 32_768 * 4


def test_a_model_that_only_embeds_works_through_its_context_at_once() -> None:
    bert = WIDE.model_copy(update={"attention_layers": 0, "kv_heads": 8, "embeds": True})
    need = estimate(bert, Bytes(0), 8192, 1, Bytes(0), engine_of(Format.GGUF, bert, {}, context=8192))
    assert need.kv_cache == 0
    assert need.prefill == 16 * estimate(bert, Bytes(0), 8192, 1, Bytes(0), Engine(Family.LLAMA)).prefill


@pytest.mark.parametrize(
    ("fixed", "params", "context", "patches"),
    [
        (True, {}, 64, 4096),
        (False, {}, 65_536, 16_384),
        (False, {}, 2048, 8192),
        (False, {"image_max_tokens": 512}, 65_536, 2048),
        (False, {"image_max_tokens": 8192}, 65_536, 32_768),
    ],
)
@pytest.mark.parametrize("windowed", [False, True])
def test_what_sees_holds_the_largest_picture_that_it_is_shown(
    fixed: bool, params: dict[str, Any], context: int, patches: int, windowed: bool
) -> None:
    most = 4096 if fixed else 16_384
    vision = VisionShape(
        hidden=1152, feed_forward=4304, patch=14, patches=most, merged=4, fixed=fixed, windowed=windowed
    )
    shape = WIDE.model_copy(update={"vision": vision})
    need = estimate(shape, Bytes(0), context, 8, Bytes(0), engine_of(Format.GGUF, shape, params))
    mask = 8 * patches**2 if windowed else 0
    assert need.sight == 9 * MOST_PIXELS + mask + patches * 4 * (3 * 14 * 14 + 4 * 1152 + 2 * 4304)
    assert need.total == need.kv_cache + need.prefill + need.sight


def test_on_a_gpu_llama_cpp_reserves_for_a_picture_that_no_limit_makes_smaller() -> None:
    vision = VisionShape(hidden=1152, patches=16_384, merged=4, fixed=False)

    def sight(tokens: int, *, gpu: bool) -> int:
        return sight_work(vision, 65_536, Engine(picture=tokens, gpu=gpu))

    assert sight(256, gpu=True) == sight(46 * 46, gpu=False) > sight(256, gpu=False)
    assert sight(4096, gpu=True) == sight(4096, gpu=False)


def test_what_a_projector_tells_in_pixels_no_run_makes_smaller() -> None:
    vision = VisionShape(hidden=1152, patches=16_384, merged=4, fixed=False, limited=False)
    assert sight_work(vision, 65_536, Engine(picture=256)) == sight_work(vision, 65_536, Engine())
    assert sight_work(vision, 2048, Engine()) < sight_work(vision, 4096, Engine())


@pytest.mark.parametrize(
    ("params", "step"), [({}, 512), ({"image_max_tokens": 1120}, 1120), ({"ubatch_size": 2048}, 2048)]
)
def test_a_step_holds_a_whole_picture(params: dict[str, Any], step: int) -> None:
    shape = WIDE.model_copy(update={"vision": VisionShape()})
    assert engine_of(Format.GGUF, shape, params).step == step


def test_whisper_holds_the_same_whatever_its_context() -> None:
    needs = [estimate(WHISPER, Bytes(GIB), context, 1, Bytes(0), Engine(Family.CTRANSLATE2)) for context in (16, 448)]
    assert needs[0] == needs[1]
    assert needs[0].prefill > 0


@pytest.mark.parametrize(
    ("stored", "asked", "factor"), [(2, "default", 2.0), (1, "default", 1.0), (2, "int8", 0.5), (4, "float32", 1.0)]
)
def test_ctranslate2_holds_weights_in_what_it_computes_with(stored: int, asked: str, factor: float) -> None:
    shape = WHISPER.model_copy(update={"element": stored})
    engine = engine_of(Format.CTRANSLATE2, shape, {"compute_type": asked})
    assert estimate(shape, Bytes(GIB), 448, 1, Bytes(0), engine).weights == factor * GIB


@pytest.mark.parametrize("nonsense", [{"prefill_step": "many"}, {"cache_limit": "lots"}, {"kv_bits": -1}])
def test_nonsense_in_the_parameters_counts_as_not_said(nonsense: dict[str, object]) -> None:
    assert engine_of(Format.SAFETENSORS, WIDE, nonsense) == engine_of(Format.SAFETENSORS, WIDE, {})


@given(SHAPES, ENGINES, st.integers(1, 200_000), st.integers(1, 64))
def test_more_context_or_slots_never_need_less(shape: ModelShape, engine: Engine, context: int, slots: int) -> None:
    now = estimate(shape, Bytes(GIB), context, slots, Bytes(0), engine).total
    assert now >= GIB // 4
    assert now <= estimate(shape, Bytes(GIB), context + 100, slots, Bytes(0), engine).total
    assert now <= estimate(shape, Bytes(GIB), context, slots + 1, Bytes(0), engine).total


@given(SHAPES, st.sampled_from(sorted(CACHE_TYPES)), st.integers(1, 200_000), st.integers(1, 64))
def test_a_quantised_cache_never_takes_more_than_a_plain_one(
    shape: ModelShape, kind: str, context: int, slots: int
) -> None:
    needs = {
        name: estimate(
            shape, Bytes(GIB), context, slots, Bytes(0),
            engine_of(Format.GGUF, shape, {"cache_type_k": name, "cache_type_v": name}),
        ).total
        for name in (kind, "f16", "f32")
    }  # fmt: skip
    assert needs[kind] <= needs["f32" if kind == "f32" else "f16"]
