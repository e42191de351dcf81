"""How a run of llama.cpp is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.runtimes import InstalledModel, RunSpec
from shared.vocabulary import Capability
from tests.models import seeing, smollm2
from workers.launch.metal import HAS_METAL
from workers.runtimes.boot.llama_cpp import parameters, server_arguments
from workers.runtimes.llama_cpp import LlamaCpp

_STEP = 512 if HAS_METAL else 128


def options(model: InstalledModel, params: dict[str, Any], context: int = 4096) -> dict[str, Any]:
    plan = LlamaCpp().plan(RunSpec(slots=1, context=context, params=params), model, 4096)
    said: dict[str, Any] = json.loads(plan.command[-1])
    return said


@pytest.mark.parametrize(
    ("params", "batch"), [({}, _STEP), ({"ubatch_size": 1024}, 1024), ({"ubatch_size": 64, "batch_size": 256}, 256)]
)
def test_a_step_is_no_longer_than_what_is_computed_at_once_unless_asked(params: dict[str, Any], batch: int) -> None:
    assert options(smollm2(), params)["batch_size"] == batch


def test_a_model_that_only_embeds_reads_its_whole_context_in_one_step() -> None:
    said = options(smollm2().model_copy(update={"capabilities": (Capability.EMBED,)}), {}, context=2048)
    assert (said["batch_size"], said["ubatch_size"]) == (2048, 2048)


def test_a_model_with_a_projector_is_loaded_with_it_and_takes_a_picture_in_one_step(tmp_path: Path) -> None:
    model = seeing(tmp_path)
    said = options(model, {"image_max_tokens": 256, "gpu_layers": 0}) | {"port": 4096}
    assert (said["projector"], said["batch_size"], said["ubatch_size"]) == (str(tmp_path / "mmproj-F16.gguf"), 512, 512)
    arguments = server_arguments(said)
    assert arguments[arguments.index("--mmproj") + 1] == said["projector"]
    assert arguments[arguments.index("--image-max-tokens") + 1] == "256"
    assert "--no-mmproj-offload" in arguments
    library = pytest.importorskip("xllamacpp")
    params = parameters(library, said)
    assert (params.mmproj.path, params.image_max_tokens, params.mmproj_use_gpu) == (said["projector"], 256, False)


def test_llama_cpp_is_told_the_limit_that_was_estimated(tmp_path: Path) -> None:
    model = seeing(tmp_path)
    assert model.shape.vision is not None
    limited = model.shape.model_copy(update={"vision": model.shape.vision.model_copy(update={"limit": 1024})})
    limits = [options(model, {}), options(model.model_copy(update={"shape": limited}), {})]
    limits.append(options(model.model_copy(update={"shape": limited}), {"image_max_tokens": 2048}))
    assert [said["image_max_tokens"] for said in limits] == [None, 1024, 2048]
    assert (limits[-1]["batch_size"], limits[-1]["ubatch_size"]) == (2048, 2048)


@pytest.mark.parametrize(
    "said",
    [
        "E init: mismatch between text model (n_embd = 576) and mmproj (n_embd = 128)",
        "srv load_model: failed to load multimodal model, '/m/mmproj-F16.gguf'\nerror loading model",
    ],
)
def test_a_projector_of_another_model_is_told_apart(said: str) -> None:
    problem = LlamaCpp().diagnose(1, said)
    assert "projector" in problem.what
    assert "mmproj" in problem.fix


def test_pictures_are_encoded_one_by_one() -> None:
    plan = LlamaCpp().plan(RunSpec(), smollm2(), 4096)
    assert plan.environment["LLAMA_ARG_MTMD_BATCH_MAX_TOKENS"] == "1"


def test_a_model_that_was_entered_without_a_projector_is_loaded_without_one(tmp_path: Path) -> None:
    model = seeing(tmp_path)
    blind = model.model_copy(update={"shape": model.shape.model_copy(update={"vision": None})})
    assert options(blind, {})["projector"] is None


def test_a_model_whose_projector_is_gone_is_loaded_without_it(tmp_path: Path) -> None:
    model = seeing(tmp_path)
    (tmp_path / "mmproj-F16.gguf").unlink()
    said = options(model, {}) | {"port": 4096}
    assert said["projector"] is None
    assert "--mmproj" not in server_arguments(said)


def test_nothing_is_held_beside_what_was_estimated() -> None:
    """Its prompt cache on the host takes 8 GiB by default, and it would shrink a context to what is free."""
    said = server_arguments({**options(smollm2(), {}), "port": 4096})
    assert (said[said.index("--cache-ram") + 1], said[said.index("--fit") + 1]) == ("0", "off")


def test_nor_is_anything_inside_this_process() -> None:
    library = pytest.importorskip("xllamacpp")
    params = parameters(library, {**options(smollm2(), {}, context=512), "port": 4096})
    assert (params.cache_ram_mib, params.fit_params, params.kv_unified) == (0, False, False)
    assert (params.n_parallel, params.n_ctx) == (1, 512)
