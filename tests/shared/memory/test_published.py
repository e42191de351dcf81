"""The estimate against what is published of known models: their caches, and peaks that somebody measured."""

from __future__ import annotations

from typing import Any

import pytest

from shared.memory import Engine, Family, estimate
from shared.memory.packing import packed_size
from shared.transformers_config import shape
from shared.units import GIB, MIB, Bytes
from tests.shared.memory.published import PEAKS, ROWS, Row

#: MLX one token at a time, so that window layers hold their window and no more.
GENERATING = Engine(Family.MLX, step=1)


def cache(row: Row, tokens: int, engine: Engine = GENERATING) -> int:
    return estimate(shape(row.config), Bytes(0), tokens, 1, Bytes(0), engine).kv_cache


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_published_model_caches_what_its_config_says(row: Row) -> None:
    sizes = [cache(row, tokens * 1024) / GIB for tokens in (8, 32, 128)]
    for size, told, digits in zip(sizes, row.caches, (2, 2, 1), strict=True):
        assert size == pytest.approx(told, abs=0.6 * 10**-digits)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_token_more_costs_what_its_full_layers_keep(row: Row) -> None:
    assert cache(row, 16_384 + 256) - cache(row, 16_384) == 256 * row.token


@pytest.mark.parametrize(("model", "local"), [("Gemma-3-12B", 320), ("Gemma-3-27B", 416)])
def test_window_layers_keep_a_fixed_part(model: str, local: int) -> None:
    row = ROWS[model]
    assert cache(row, 32_768) - 32_768 * row.token == local * MIB


def test_the_state_of_a_hybrid_is_what_llama_cpp_prints() -> None:
    """`RS buffer size = 62.81 MiB` for Qwen3.5-35B-A3B (https://github.com/ml-explore/mlx-lm/issues/1480)."""
    need = estimate(shape(ROWS["Qwen3.5-35B-A3B"].config), Bytes(0), 262_144, 1, Bytes(0), Engine(Family.LLAMA))
    assert need.state / MIB == pytest.approx(62.81, abs=0.01)
    assert need.kv_cache == 5120 * MIB


@pytest.mark.parametrize(
    ("name", "config", "parameters", "packing", "peak"), PEAKS, ids=[f"{row[0]} {row[3]}" for row in PEAKS]
)
def test_a_published_peak_is_met_within_a_tenth(
    name: str, config: dict[str, Any], parameters: int, packing: tuple[int, int] | None, peak: float
) -> None:
    quantization = {"bits": packing[0], "group_size": packing[1]} if packing else None
    weights = packed_size({"all": parameters}, quantization)
    need = estimate(shape(config), weights, 2048 + 128, 1, Bytes(0), Engine(Family.MLX, step=2048, gpu=True))
    # What MLX counts itself: neither its process nor kept prompts, and no margin.
    assert (need.weights + need.kv_cache + need.prefill) / 1e9 == pytest.approx(peak, rel=0.1)


def test_llama_cpp_prints_the_compute_buffer_that_is_estimated() -> None:
    """`compute buffer size = 258.50 MiB` for Llama 3.1 8B on a GPU, with flash attention and batches of 512."""
    llama = shape({**ROWS["Llama-3.1-8B"].config, "vocab_size": 128_256, "intermediate_size": 14_336})
    need = estimate(llama, Bytes(0), 8192, 1, Bytes(0), Engine(Family.LLAMA, gpu=True))
    assert need.prefill / MIB == pytest.approx(258.5, abs=0.1)
