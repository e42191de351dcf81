"""Two MLX runs on one host: the agent lets one of them wire, and the process is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.units import GIB
from tests.models import random_llama
from tests.stack import Stack, running
from tests.waiting import eventually
from workers.launch.wired import VARIABLE
from workers.runtimes import discover

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(discover()["mlx-lm"].probe() is None, reason="mlx-lm is not installed"),
]


def _ready(stack: Stack, run_id: str) -> dict[str, Any]:
    eventually(lambda: stack.get(f"/v1/runs/{run_id}")["state"] == "ready", 90, rarest=0.25)
    return dict(stack.get(f"/v1/runs/{run_id}"))


def _wired(run: dict[str, Any]) -> int:
    """Bytes that the run's process was told it may wire."""
    return int(psutil.Process(run["pid"]).environ()[VARIABLE])


def test_only_one_run_wires_all_and_the_next_gets_its_part_when_it_ends(tmp_path: Path) -> None:
    script = tmp_path / "memory.json"
    script.write_text(json.dumps({"total": "8GiB", "metal_cap": "5GiB"}))
    environment = {
        "CIDERMILL_MEMORY": "", "CIDERMILL_MEMORY_SCRIPT": str(script), "CIDERMILL_WIRED_MEMORY": "full",
    }  # fmt: skip
    model = random_llama(tmp_path / "model")
    with running(tmp_path / "home", runtimes='["mlx-lm","store"]', environment=environment) as stack:
        stack.wait(stack.submit("download", model=f"local:{model.path}", name="babble"), 60)
        spec = {"context": 256, "slots": 1}
        first = _ready(stack, stack.post("/v1/runs", {"model": "babble", "spec": spec})["id"])
        second = _ready(stack, stack.post("/v1/runs", {"model": "babble", "spec": spec})["id"])
        assert (_wired(first), _wired(second)) == (5 * GIB, 0)
        stack.wait(stack.submit("inference", model="babble", prompt="Hi", defaults={"max_tokens": 4}), 60)
        stack.post(f"/v1/runs/{first['id']}/stop")
        eventually(lambda: stack.get(f"/v1/runs/{first['id']}")["memory_held"] == 0)
        third = _ready(stack, stack.post("/v1/runs", {"model": "babble", "spec": spec})["id"])
        assert _wired(third) == 5 * GIB
