"""Models of other programs, in layouts made of real small models."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from shared.protocol import InstallRecord
from shared.store.discovery import Found, look
from tests.models import random_llama, smollm2

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def gguf() -> Path:
    return Path(smollm2().path)


@pytest.fixture(scope="module")
def checksum(gguf: Path) -> str:
    return hashlib.sha256(gguf.read_bytes()).hexdigest()


def search(home: Path, platform: str = "linux", **environment: str) -> Found:
    return look(home / "hub", environment, home, platform)


def put(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source)
    return target


def ollama(home: Path, name: str, digests: list[str]) -> Path:
    manifest = home / ".ollama" / "models" / "manifests" / name
    manifest.parent.mkdir(parents=True, exist_ok=True)
    layers = [{"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{one}"} for one in digests]
    params = {"mediaType": "application/vnd.ollama.image.params", "digest": "sha256:" + "0" * 64}
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": [*layers, params]}))
    return manifest


def only(found: Found) -> InstallRecord:
    assert found.skipped == []
    [record] = found.models
    return record


def test_ollama_is_read_by_its_manifests(tmp_path: Path, gguf: Path, checksum: str) -> None:
    blob = tmp_path / ".ollama" / "models" / "blobs" / f"sha256-{checksum}"
    put(gguf, blob)
    ollama(tmp_path, "registry.ollama.ai/library/smollm2/135m", [checksum])
    record = only(search(tmp_path))
    assert (record.name, record.source, record.path) == ("smollm2:135m", "ollama", str(blob))
    assert record.files == [{"name": blob.name, "size": gguf.stat().st_size, "sha256": checksum}]
    assert record.shape.layers == 30


def test_names_of_other_registries_stay_whole(tmp_path: Path, gguf: Path, checksum: str) -> None:
    put(gguf, tmp_path / ".ollama" / "models" / "blobs" / f"sha256-{checksum}")
    ollama(tmp_path, "hf.co/org/smol/Q4", [checksum])
    assert only(search(tmp_path)).name == "hf.co/org/smol:Q4"


def test_ollama_models_that_are_not_whole_are_skipped_with_a_reason(tmp_path: Path) -> None:
    ollama(tmp_path, "registry.ollama.ai/library/gone/latest", ["1" * 64])
    ollama(tmp_path, "registry.ollama.ai/library/many/latest", ["1" * 64, "2" * 64])
    ollama(tmp_path, "registry.ollama.ai/library/torn/latest", []).write_text("{")
    found = search(tmp_path)
    assert found.models == []
    reasons = {Path(path).parent.name: reason for path, reason in found.skipped}
    assert "2 layers" in reasons["many"]
    assert "manifest cannot be read" in reasons["torn"]
    assert len(found.skipped) == 3


def test_lm_studio_is_read_in_both_of_its_folders(tmp_path: Path, gguf: Path) -> None:
    new = put(gguf, tmp_path / ".lmstudio" / "models" / "org" / "smol-GGUF" / "smol.Q4.gguf")
    put(gguf, new.with_name("mmproj-smol.gguf"))
    random_llama(tmp_path / ".cache" / "lm-studio" / "models" / "mlx-community" / "tiny")
    found = search(tmp_path)
    assert {record.name: (record.source, record.format) for record in found.models} == {
        "org/smol-GGUF": ("lmstudio", "gguf"),
        "mlx-community/tiny": ("lmstudio", "safetensors"),
    }


def test_large_files_of_unknown_content_are_not_read(tmp_path: Path, gguf: Path) -> None:
    put(gguf, tmp_path / ".lmstudio" / "models" / "org" / "smol" / "smol.gguf")
    assert only(search(tmp_path)).files[0]["sha256"] is None


@pytest.mark.parametrize(
    ("platform", "folder"), [("linux", ".cache/llama.cpp"), ("darwin", "Library/Caches/llama.cpp")]
)
def test_llama_cpp_is_read_where_the_platform_keeps_caches(
    tmp_path: Path, gguf: Path, platform: str, folder: str
) -> None:
    put(gguf, tmp_path / folder / "org_smol_smol-Q4.gguf")
    record = only(search(tmp_path, platform))
    assert (record.name, record.source) == ("org_smol_smol-Q4", "llama.cpp")


def test_the_environment_moves_folders(tmp_path: Path, gguf: Path) -> None:
    put(gguf, tmp_path / "elsewhere" / "smol.gguf")
    assert only(search(tmp_path, LLAMA_CACHE=str(tmp_path / "elsewhere"))).name == "smol"


def test_the_hub_cache_is_read_with_its_checksums(tmp_path: Path, checksum: str, gguf: Path) -> None:
    repository = tmp_path / "hub" / "models--org--smol"
    put(gguf, repository / "blobs" / checksum)
    pointer = repository / "snapshots" / ("c" * 40) / "smol.gguf"
    pointer.parent.mkdir(parents=True)
    # A blob that is itself a link would show its target's name.
    (repository / "blobs" / checksum).unlink()
    shutil.copyfile(gguf, repository / "blobs" / checksum)
    pointer.symlink_to(repository / "blobs" / checksum)
    record = only(search(tmp_path))
    assert (record.provider, record.repo, record.file, record.revision) == ("hf", "org/smol", "smol.gguf", "c" * 40)
    assert (record.source, record.files[0]["sha256"]) == ("huggingface", checksum)


def test_unfinished_downloads_are_skipped(tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--org--half" / "snapshots" / ("c" * 40)
    random_llama(snapshot)
    weights = snapshot / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    found = search(tmp_path)
    assert (found.models, len(found.skipped)) == ([], 1)


def test_a_folder_that_cannot_be_read_is_skipped_and_the_others_are_not(tmp_path: Path, gguf: Path) -> None:
    put(gguf, tmp_path / ".lmstudio" / "models" / "org" / "smol" / "smol.gguf")
    main = tmp_path / "hub" / "models--org--odd" / "refs" / "main"
    main.parent.mkdir(parents=True)
    main.write_text("x" * 5000)
    found = search(tmp_path)
    assert [record.name for record in found.models] == ["org/smol"]
    assert len(found.skipped) == 1


def test_nothing_is_found_on_an_empty_machine(tmp_path: Path) -> None:
    found = search(tmp_path)
    assert (found.models, found.skipped) == ([], [])
    assert found.searched == ["huggingface", "llama.cpp", "lmstudio", "ollama"]
