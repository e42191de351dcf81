"""Which projector belongs to which model, and what it tells."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from shared.gguf import read_header
from shared.projector import projector_beside, projector_of, vision
from shared.vocabulary import Capability
from shared.weights import inspect
from tests.handmade import LLAMA, gguf, projector

WIDTH = LLAMA["llama.embedding_length"]


@pytest.mark.parametrize(
    ("model", "names", "found"),
    [
        ("M-Q4_K_M.gguf", ["M-Q4_K_M.gguf"], None),
        ("M-Q4_K_M.gguf", ["mmproj-F16.gguf"], "mmproj-F16.gguf"),
        ("M-Q4_K_M.gguf", ["mmproj-model-f16.gguf"], "mmproj-model-f16.gguf"),
        ("M-Q4_K_M.gguf", ["mmproj-BF16.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf"], "mmproj-F16.gguf"),
        ("M-Q4_K_M.gguf", ["mmproj-M-Q8_0.gguf", "mmproj-M-bf16.gguf"], "mmproj-M-bf16.gguf"),
        ("google_gemma-3-4b-it-Q4_K_M.gguf", ["mmproj-google_gemma-3-4b-it-f16.gguf"], ...),
        ("SmolVLM-256M-Instruct-Q8_0.gguf", ["SmolVLM-256M-Instruct-mmproj-f16.gguf"], ...),
        ("M.Q4_K_M.gguf", ["M.mmproj-Q8_0.gguf", "M.mmproj-fp16.gguf"], "M.mmproj-fp16.gguf"),
        # It names another model.
        ("qwen2.5-7b-instruct-q4_0.gguf", ["mmproj-Qwen2.5-VL-7B-Instruct-f16.gguf"], None),
        ("Qwen2.5-VL-7B-Instruct-Q4_0.gguf", ["mmproj-F16.gguf", "mmproj-Qwen2.5-VL-7B-Instruct-F32.gguf"],
         "mmproj-Qwen2.5-VL-7B-Instruct-F32.gguf"),
        ("Q4_K_M/M-00001-of-00002.gguf", ["mmproj-F16.gguf"], ...),
        ("Q4_K_M/M-00001-of-00002.gguf", ["Q8_0/mmproj-F16.gguf"], None),
        ("a/b/M.gguf", ["mmproj-F16.gguf"], None),
    ],
)  # fmt: skip
def test_a_projector_belongs_to_the_models_that_its_name_fits(model: str, names: list[str], found: object) -> None:
    assert projector_of(model, names) == (names[0] if found is ... else found)


def test_a_model_sees_with_the_projector_beside_it(tmp_path: Path) -> None:
    model, beside = tmp_path / "M-Q4_0.gguf", tmp_path / "mmproj-F16.gguf"
    model.write_bytes(gguf())
    assert inspect(model).capabilities == (Capability.GENERATE,)
    beside.write_bytes(projector(WIDTH))
    weights = inspect(model)
    assert weights.capabilities == (Capability.GENERATE, Capability.VISION)
    assert weights.files == (model, beside)
    assert weights.size == model.stat().st_size + beside.stat().st_size
    assert (weights.path, inspect(tmp_path)) == (model, weights)


def test_in_a_snapshot_of_the_hub_it_may_lie_above(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--org--M" / "snapshots" / ("a" * 40)
    for folder in (snapshot / "Q4_0", tmp_path / "mine" / "Q4_0"):
        folder.mkdir(parents=True)
        (folder / "M.gguf").write_bytes(gguf())
        (folder.parent / "mmproj-F16.gguf").write_bytes(projector(WIDTH))
    assert inspect(snapshot / "Q4_0" / "M.gguf").files[1:] == (snapshot / "mmproj-F16.gguf",)
    assert inspect(tmp_path / "mine" / "Q4_0" / "M.gguf").files[1:] == ()


@pytest.mark.parametrize(
    ("others", "sees"),
    [
        ([], True),
        (["M-UD-Q8_K_XL.gguf", "M-f16.gguf", "M-imatrix.gguf", "imatrix.gguf", "readme.txt"], True),
        (["N-Q4_0.gguf"], False),
        (["M-7b-Q4_0.gguf"], False),
        (["N-Q4_0.GGUF"], False),
    ],
)
def test_one_that_names_no_model_belongs_to_the_only_one_of_a_folder(
    tmp_path: Path, others: list[str], sees: bool
) -> None:
    for name in ("M-Q4_0.gguf", *others):
        (tmp_path / name).write_bytes(gguf())
    (tmp_path / "mmproj-model-F16.gguf").write_bytes(projector(WIDTH))
    assert (Capability.VISION in inspect(tmp_path / "M-Q4_0.gguf").capabilities) == sees
    (tmp_path / "mmproj-M-F16.gguf").write_bytes(projector(WIDTH))
    assert Capability.VISION in inspect(tmp_path / "M-Q4_0.gguf").capabilities


def test_the_parts_of_a_split_model_are_one(tmp_path: Path) -> None:
    for part in (1, 2):
        (tmp_path / f"M-0000{part}-of-00002.gguf").write_bytes(gguf())
    (tmp_path / "mmproj-F16.gguf").write_bytes(projector(WIDTH))
    assert Capability.VISION in inspect(tmp_path).capabilities


def test_in_a_snapshot_of_the_hub_models_are_one_whatever_their_names(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--org--M" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    for name in ("M.gguf", "N.gguf"):
        (snapshot / name).write_bytes(gguf())
    (snapshot / "mmproj-F16.gguf").write_bytes(projector(WIDTH))
    assert Capability.VISION in inspect(snapshot / "M.gguf").capabilities


def test_the_first_that_fits_is_taken(tmp_path: Path) -> None:
    (tmp_path / "M.gguf").write_bytes(gguf())
    (tmp_path / "MMPROJ-M-F16.GGUF").mkdir()
    (tmp_path / "mmproj-M-Q8_0.gguf").write_bytes(b"GGUF")
    (tmp_path / "mmproj-M-F32.gguf").write_bytes(projector(WIDTH + 1))
    assert projector_beside(tmp_path / "M.gguf", WIDTH) is None
    (tmp_path / "MMPROJ-F32.GGUF").write_bytes(projector(WIDTH))
    found = projector_beside(tmp_path / "M.gguf", WIDTH)
    assert found is not None
    assert found[0].name == "MMPROJ-F32.GGUF"
    (tmp_path / "M.gguf").rename(tmp_path / "M.GGUF")
    assert inspect(tmp_path).path.name == "M.GGUF"


@pytest.mark.parametrize(
    "content",
    [
        projector(WIDTH + 1),
        projector(WIDTH, **{"clip.has_vision_encoder": False, "clip.has_audio_encoder": True}),
        projector(WIDTH)[:-1],
        b"GGUF",
        b"",
    ],
    ids=["another width", "hears only", "cut short", "damaged", "empty"],
)
def test_what_no_engine_would_see_with_leaves_a_model_that_writes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "M.gguf").write_bytes(gguf())
    (tmp_path / "mmproj-F16.gguf").write_bytes(content)
    assert projector_beside(tmp_path / "M.gguf", WIDTH) is None
    assert inspect(tmp_path / "M.gguf").capabilities == (Capability.GENERATE,)


@pytest.mark.parametrize(
    ("said", "patches", "fixed"),
    [
        ({}, 16, True),
        # Of any size: as many as llama.cpp allows.
        ({"clip.projector_type": "qwen2.5vl_merger", "clip.vision.spatial_merge_size": 2}, 4 * 4096, False),
        ({"clip.vision.projector_type": "pixtral", "clip.vision.spatial_merge_size": 1}, 4096, False),
        ({"clip.vision.patch_size": 0}, 0, True),
        # Less than llama.cpp allows.
        ({"clip.projector_type": "qwen2.5vl_merger", "clip.vision.n_wa_pattern": 8}, 4 * 1024, False),
        ({"clip.projector_type": "youtuvl", "clip.vision.wa_layer_indexes": [7, 15]}, 4 * 1024, False),
        ({"clip.projector_type": "hunyuanvl"}, 4 * 4096, False),
        ({"clip.projector_type": "dots_ocr", "clip.vision.image_max_pixels": 11_289_600}, 44_100, False),
    ],
)
def test_it_tells_how_much_it_looks_at_once(said: dict[str, object], patches: int, fixed: bool) -> None:
    seen = vision(read_header(io.BytesIO(projector(WIDTH, **said))), WIDTH)
    assert seen is not None
    assert (seen.patches, seen.fixed, seen.hidden, seen.feed_forward) == (patches, fixed, 64, 128)


@pytest.mark.parametrize(
    ("said", "limited", "limit", "windowed"),
    [
        ({}, True, None, False),
        ({"clip.projector_type": "qwen3vl_merger"}, True, None, False),
        ({"clip.projector_type": "qwen2.5vl_merger", "clip.vision.n_wa_pattern": 8}, True, 1024, True),
        ({"clip.projector_type": "qwen2vl_merger", "clip.vision.n_wa_pattern": 0}, True, None, False),
        ({"clip.projector_type": "hunyuanvl"}, True, 4096, False),
        ({"clip.projector_type": "hunyuanvl", "clip.vision.image_max_pixels": 2**20}, False, None, False),
        # It tells by the same key where something else begins.
        ({"clip.projector_type": "minicpmv4_6", "clip.vision.wa_layer_indexes": [6]}, True, None, False),
    ],
)
def test_it_tells_whether_a_run_limits_it(
    said: dict[str, object], limited: bool, limit: int | None, windowed: bool
) -> None:
    seen = vision(read_header(io.BytesIO(projector(WIDTH, **said))), WIDTH)
    assert seen is not None
    assert (seen.limited, seen.limit, seen.windowed) == (limited, limit, windowed)
