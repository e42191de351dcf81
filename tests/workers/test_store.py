from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from huggingface_hub import constants

from shared.hub import DEFAULT_ENDPOINT
from shared.units import GIB
from workers.store import host_store


def test_without_an_environment_the_store_is_the_usual_cache(tmp_path: Path) -> None:
    store = host_store(tmp_path, {"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert store.cache_dir == str(tmp_path / "cache" / "huggingface" / "hub")
    assert (store.models_dir, store.token, store.endpoint) == (str(tmp_path), None, DEFAULT_ENDPOINT)


def test_the_cache_is_the_one_that_huggingface_hub_uses() -> None:
    assert host_store(Path()).cache_dir == constants.HF_HUB_CACHE


def test_the_environment_of_hugging_face_is_heeded(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_file\n")
    home = {"HF_HOME": str(tmp_path)}
    assert host_store(tmp_path, home).cache_dir == str(tmp_path / "hub")
    assert host_store(tmp_path, home).token == "hf_file"
    assert host_store(tmp_path, {**home, "HF_TOKEN": "hf_own"}).token == "hf_own"
    assert host_store(tmp_path, {**home, "HF_HUB_CACHE": "/big/hub"}).cache_dir == "/big/hub"
    assert host_store(tmp_path, {"HF_HUB_OFFLINE": "1"}).offline
    assert not host_store(tmp_path, {"HF_HUB_OFFLINE": "0"}).offline
    assert host_store(tmp_path, {"HF_ENDPOINT": "http://mirror:80/"}).endpoint == "http://mirror:80"


def test_the_token_is_not_shown(tmp_path: Path) -> None:
    assert "hf_own" not in repr(host_store(tmp_path, {"HF_TOKEN": "hf_own"}))


def test_a_part_of_the_disk_is_kept_free_before_the_folder_exists(tmp_path: Path) -> None:
    store = host_store(tmp_path / "later", {"HF_HOME": str(tmp_path / "a" / "b")})
    assert store.cache_disk.free() > 0
    assert store.cache_disk.reserve() >= GIB
    assert store.cache_disk.device == tmp_path.stat().st_dev


def test_a_worker_that_downloads_nothing_loads_no_hub_library() -> None:
    script = (
        "import sys, workers.store, shared.kinds; shared.kinds.kinds(); assert 'huggingface_hub' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])
