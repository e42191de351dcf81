"""Two hosts with caches of their own: the second fetches from the first, not from the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub import HubServer, running_hub
from tests.models import random_llama, smollm2
from tests.stack import Stack, running
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.model, pytest.mark.timeout(180)]

_HOSTS = ("alpha", "beta")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with running_hub() as hub:
        tiny = Path(random_llama(tmp_path / "tiny").path)
        hub.add("org/tiny", {file.name: file.read_bytes() for file in tiny.iterdir()})
        hub.add("org/smol", {"smol.Q4_1.gguf": Path(smollm2().path).read_bytes(), "README.md": b"# Smol"})
        yield hub


@pytest.fixture
def stack(tmp_path: Path, hub: HubServer) -> Iterator[Stack]:
    own = {host: {"HF_HUB_CACHE": str(tmp_path / host / "hub")} for host in _HOSTS}
    environment = {"HF_ENDPOINT": hub.url, "CIDERMILL_DRAIN_SECONDS": "1"}
    options: dict[str, Any] = {"runtimes": '["store"]', "environment": environment, "own_environment": own}
    with running(tmp_path / "mill", hosts=_HOSTS, **options) as stack:
        yield stack


def _files(folder: Path) -> dict[str, bytes]:
    snapshots = folder.glob("models--*/snapshots/*/*")
    return {path.name: path.read_bytes() for path in snapshots}


def _install(stack: Stack, model: str, host: str) -> str:
    return str(stack.post("/v1/models/install", {"model": model, "host": host})["id"])


def _content(hub: HubServer) -> list[str]:
    """The files that were asked of the hub."""
    return [seen.path for seen in hub.content_requests() if "/resolve/" in seen.path or "/cdn/" in seen.path]


def _log(stack: Stack, job_id: str) -> str:
    return stack.http.get(f"/v1/jobs/{job_id}/logs").text


def test_the_second_install_costs_the_hub_no_file_bytes(stack: Stack, hub: HubServer, tmp_path: Path) -> None:
    assert stack.wait(_install(stack, "org/tiny", "alpha"))["state"] == "succeeded"
    asked, sent = _content(hub), hub.sent
    job = stack.wait(_install(stack, "org/tiny", "beta"))
    assert job["state"] == "succeeded"
    assert (_content(hub), hub.sent) == (asked, sent)
    assert "came from alpha" in _log(stack, job["id"])
    assert _files(tmp_path / "beta" / "hub") == _files(tmp_path / "alpha" / "hub")
    model = stack.get("/v1/models/org/tiny")
    assert model["hosts"] == ["alpha", "beta"]


def test_a_peer_that_dies_midway_is_replaced_by_the_hub(stack: Stack, hub: HubServer, tmp_path: Path) -> None:
    assert stack.wait(_install(stack, "org/smol", "alpha"))["state"] == "succeeded"
    sent = hub.sent
    partial = tmp_path / "beta" / "hub" / "models--org--smol" / "blobs"
    job_id = _install(stack, "org/smol", "beta")
    eventually(lambda: any(f.stat().st_size > 1 << 20 for f in partial.glob("*.incomplete")), 30)
    stack.kill("alpha")
    job = stack.wait(job_id)
    assert job["state"] == "succeeded"
    assert _files(tmp_path / "beta" / "hub") == _files(tmp_path / "alpha" / "hub")
    assert 0 < hub.sent - sent < len(Path(smollm2().path).read_bytes())


def test_what_other_programs_keep_is_known_when_an_agent_has_started(tmp_path: Path) -> None:
    home = tmp_path / "home"
    file = home / ".cache" / "llama.cpp" / "smol.gguf"
    file.parent.mkdir(parents=True)
    file.symlink_to(smollm2().path)
    own = {"alpha": {"HOME": str(home), "CIDERMILL_FIND_MODELS": "true", "HF_HUB_CACHE": str(tmp_path / "hub")}}
    unset = {"XDG_CACHE_HOME": "", "LLAMA_CACHE": "", "OLLAMA_MODELS": ""}
    with running(tmp_path / "mill", runtimes='["store"]', environment=unset, own_environment=own) as stack:
        eventually(lambda: [model["id"] for model in stack.get("/v1/models")["data"]] == ["echo", "smol"], 20)
        [install] = stack.get("/v1/models/smol")["installs"]
        assert (install["source"], install["path"]) == ("llama.cpp", str(file))
