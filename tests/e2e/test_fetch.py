"""A model that is only on a host without room is fetched to another host, and answers there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from shared.tables import Event
from tests.handmade import gguf
from tests.hub import HubServer, running_hub
from tests.local_models import only_on
from tests.models import smollm2
from tests.stack import Stack, running
from tests.waiting import eventually
from workers.runtimes import discover

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.model,
    pytest.mark.skipif(discover()["llama-cpp"].probe() is None, reason="llama.cpp is not installed"),
]

_HOSTS = ("alpha", "beta")


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with running_hub() as hub:
        weights = Path(smollm2().path).read_bytes()
        hub.add("org/smol", {"smol.Q4_1.gguf": weights})
        # One byte of its weights is another, which nobody will hear.
        hub.add("org/twin", {"twin.Q4_1.gguf": weights[:-1] + bytes([weights[-1] ^ 1])})
        yield hub


@pytest.fixture
def stack(tmp_path: Path, hub: HubServer) -> Iterator[Stack]:
    own = {
        host: {"HF_HUB_CACHE": str(tmp_path / host / "hub"), "CIDERMILL_HOME": str(tmp_path / host)} for host in _HOSTS
    }
    environment = {
        "HF_ENDPOINT": hub.url,
        "CIDERMILL_DRAIN_SECONDS": "1",
        "CIDERMILL_MEMORY": "1200MiB",
        # While a host that only stood still counts as gone, the other one would be brought all.
        "CIDERMILL_LEASE_SECONDS": "3600",
    }
    options: dict[str, Any] = {"runtimes": '["llama-cpp","echo","store"]', "environment": environment}
    with running(tmp_path / "mill", hosts=_HOSTS, own_environment=own, **options) as stack:
        yield stack


def fill(stack: Stack, host: str) -> None:
    """Leave no room on the host."""
    spec = {"pinned": True, "params": {"memory": "1GiB"}}
    run = stack.post("/v1/runs", {"model": "echo", "host": host, "spec": spec})
    eventually(lambda: stack.get(f"/v1/runs/{run['id']}")["state"] == "ready", 30)


def waits(stack: Stack, job_id: str) -> list[dict[str, Any]]:
    """What a job has waited for, from first to last."""
    with stack.database.read() as session:
        told = select(Event.data).where(Event.job_id == job_id, Event.type == "job.blocked").order_by(Event.seq)
        return list(session.scalars(told))


def test_a_model_comes_to_the_host_that_has_room(stack: Stack, hub: HubServer) -> None:
    install = stack.post("/v1/models/install", {"model": "org/smol", "name": "org/smol", "host": "alpha"})
    assert stack.wait(install["id"])["state"] == "succeeded"
    sent = hub.sent
    fill(stack, "alpha")
    messages = [{"role": "user", "content": "Say hi."}]
    job_id = stack.submit("inference", model="org/smol", requests=[{"messages": messages, "max_tokens": 4}])
    job = stack.wait(job_id, 120)
    assert job["state"] == "succeeded", job
    fetching = next(told for told in waits(stack, job_id) if told["code"] == "fetching")
    assert "is being fetched to beta" in fetching["sentence"]
    assert hub.sent == sent
    assert stack.get("/v1/models/org/smol")["hosts"] == ["alpha", "beta"]
    hosts = {run["host"] for run in stack.get("/v1/runs")["data"] if run["model"] == "org/smol"}
    assert hosts == {"beta"}


def test_a_model_of_a_hosts_own_disk_comes_to_the_host_that_has_room(stack: Stack, tmp_path: Path) -> None:
    original = tmp_path / "disk" / "mine.gguf"
    original.parent.mkdir()
    shutil.copy(smollm2().path, original)
    install = stack.post("/v1/models/install", {"model": f"local:{original}", "name": "mine", "host": "alpha"})
    assert stack.wait(install["id"])["state"] == "succeeded"
    only_on(stack, "alpha", original, "mine")
    # What lies at that path of the other host is a model, too, and another one.
    original.parent.mkdir()
    original.write_bytes(gguf())
    fill(stack, "alpha")
    messages = [{"role": "user", "content": "Say hi."}]
    job_id = stack.submit("inference", model="mine", requests=[{"messages": messages, "max_tokens": 4}])
    job = stack.wait(job_id, 120)
    assert job["state"] == "succeeded", job
    installs = {install["host"]: Path(install["path"]) for install in stack.get("/v1/models/mine")["installs"]}
    assert installs["beta"].is_relative_to(tmp_path / "beta" / "data" / "models" / "copies")
    assert installs["beta"].read_bytes() == Path(smollm2().path).read_bytes()
    assert {run["host"] for run in stack.get("/v1/runs")["data"] if run["model"] == "mine"} == {"beta"}


def test_a_benchmark_has_its_models_brought_together(stack: Stack, hub: HubServer) -> None:
    for model, host in (("org/smol", "alpha"), ("org/twin", "beta")):
        install = stack.post("/v1/models/install", {"model": model, "name": model, "host": host})
        assert stack.wait(install["id"])["state"] == "succeeded"
    sent = hub.sent
    ask: dict[str, Any] = {
        "prompts": [{"name": "hi", "text": "Say hi."}],
        "runs": 1,
        "warmup": 0,
        "max_tokens": 4,
        "context": 512,
    }
    job_id = stack.submit("benchmark", models=["org/smol", "org/twin"], runtimes=["llama-cpp"], slots=1, **ask)
    job = stack.wait(job_id, 150)
    assert job["state"] == "succeeded", job
    assert [cell["state"] for cell in job["result"]["cells"]] == ["measured", "measured"]
    assert hub.sent == sent
    everywhere = [name for name in ("org/smol", "org/twin") if len(stack.get(f"/v1/models/{name}")["hosts"]) == 2]
    assert len(everywhere) == 1
