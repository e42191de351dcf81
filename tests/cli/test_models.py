"""The commands of the model store, against real processes, a loopback hub and models of other programs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.exits import Exit
from tests.cli.conftest import Mill
from tests.hub import HubServer, running_hub
from tests.models import random_llama, smollm2
from tests.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.model]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with running_hub() as hub:
        tiny = Path(random_llama(tmp_path_factory.mktemp("tiny")).path)
        hub.add("org/tiny", {file.name: file.read_bytes() for file in tiny.iterdir()})
        hub.add("org/smol-GGUF", {"smol.Q4_1.gguf": Path(smollm2().path)})
        yield hub


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory, hub: HubServer, home: Path) -> Iterator[Mill]:
    folder = tmp_path_factory.mktemp("mill")
    environment = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(folder / "hub"), "HOME": str(home)}
    stack = Stack(
        folder,
        f"sqlite:///{folder / 'cidermill.db'}",
        runtimes='["echo","llama-cpp","mlx-lm","store"]',
        environment=environment,
    )
    try:
        yield Mill(stack.begin(), folder)
    finally:
        stack.end()


def test_the_hub_is_searched_by_words_and_format(mill: Mill) -> None:
    assert [model["id"] for model in mill.lines("models", "search", "org")] == ["org/tiny", "org/smol-GGUF"]
    [found] = mill.lines("models", "search", "smol", "--format", "gguf")
    assert (found["formats"], found["licence"], found["gated"]) == (["gguf"], "apache-2.0", False)
    assert "org/tiny" in mill("models", "search", "tiny").stdout


def test_a_model_is_weighed_before_anything_of_it_is_downloaded(mill: Mill, hub: HubServer) -> None:
    before = hub.sent
    said = mill.json("models", "fit", "org/smol-GGUF")
    [host] = said["hosts"]
    assert (host["runtime"], host["fits"], host["installed"]) == ("llama-cpp", "now", False)
    assert host["largest_context"] == 8192
    assert host["needs"] > said["size"] > 90e6
    assert (host["disk"]["need"], host["disk"]["fits"], host["disk"]["deletable"]) == (said["size"], True, 0)
    assert host["disk"]["reserve"] >= 1 << 30
    assert hub.sent - before < 16 << 20
    assert "now" in mill("models", "fit", "org/tiny").stdout
    assert mill("models", "fit", "org/nothing").returncode == Exit.NOT_FOUND


def test_small_models_are_recommended_by_memory(mill: Mill) -> None:
    fitting = [model for model in mill.lines("models", "recommend", "--memory", "4GiB") if model["fits"] == "now"]
    assert fitting[0]["model"].startswith("hf:Qwen/Qwen3-4B-GGUF")
    assert all(model["licence"] in {"apache-2.0", "mit"} for model in mill.lines("models", "recommend"))


def test_a_model_is_verified_mended_swept_and_removed(mill: Mill, hub: HubServer) -> None:
    assert mill("models", "pull", "org/tiny").returncode == Exit.OK
    assert "files are right" in mill("models", "verify", "org/tiny").stdout
    shown = mill.json("models", "info", "org/tiny")
    assert shown["installs"][0]["verified_at"]
    weights = Path(shown["installs"][0]["path"]) / "model.safetensors"
    assert shown["digest"]
    assert next(one for one in shown["artifacts"] if one["name"] == weights.name)["format"] == "safetensors"
    content = weights.read_bytes()
    weights.resolve().write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    damaged = mill("models", "verify", "org/tiny")
    assert (damaged.returncode, "damaged: model.safetensors" in damaged.stdout) == (Exit.FAILED, True)
    assert mill("models", "pull", "org/tiny").returncode == Exit.OK
    assert weights.read_bytes() == content
    dry = mill.json("models", "gc", "--older-than", "0")
    assert [line["model"] for line in dry["removed"]] == ["org/tiny"]
    assert weights.exists()
    assert "would be free" in mill("models", "gc", "--older-than", "0").stderr
    assert mill("models", "gc", "--older-than", "0", "--yes").returncode == Exit.OK
    assert not weights.exists()
    assert mill.json("models", "info", "org/tiny")["hosts"] == []
    assert "Nothing is to be deleted" in mill("models", "gc", "--older-than", "0").stderr
    assert mill("models", "rm", "org/tiny").returncode == Exit.OK


def test_models_of_other_programs_are_found_and_never_deleted(mill: Mill, home: Path) -> None:
    lmstudio = home / ".lmstudio" / "models" / "publisher" / "smol"
    lmstudio.mkdir(parents=True)
    file = lmstudio / "smol.gguf"
    shutil.copyfile(smollm2().path, file)
    broken = lmstudio.parent / "broken"
    broken.mkdir()
    (broken / "broken.gguf").write_bytes(b"GGUF and nothing else")
    done = mill("models", "scan")
    assert "publisher/smol, 1 skipped" in done.stdout
    [install] = mill.json("models", "info", "publisher/smol")["installs"]
    assert (install["source"], install["path"]) == ("lmstudio", str(file))
    kept = mill.json("models", "gc", "--older-than", "0", "--yes")["kept"]
    assert {line["model"]: line["reason"] for line in kept}["publisher/smol"] == "it belongs to lmstudio"
    assert mill("models", "verify", "publisher/smol").returncode == Exit.OK
    assert mill.json("models", "info", "publisher/smol")["digest"]
    assert mill("models", "rm", "publisher/smol").returncode == Exit.OK
    assert file.exists()


def test_a_model_that_runs_is_not_removed(mill: Mill) -> None:
    assert mill("models", "pull", "org/smol-GGUF", "--name", "smol").returncode == Exit.OK
    run_id = mill("runs", "start", "smol", "--context", "512").stdout.strip()
    refused = mill("models", "rm", "smol")
    assert refused.returncode != Exit.OK
    assert run_id in refused.stderr
    assert "cidermill runs stop" in refused.stderr
    kept = mill.json("models", "gc", "--older-than", "0")["kept"]
    assert run_id in {line["model"]: line["reason"] for line in kept}["smol"]
    assert run_id in json.dumps(mill.json("models", "info", "smol")["runs"])
