"""Every engine that runs here, behind the whole queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import random_llama
from tests.stack import running
from workers.runtimes import discover

pytestmark = pytest.mark.e2e


@pytest.mark.skipif(discover()["mlx-lm"].probe() is None, reason="mlx-lm is not installed")
def test_a_model_is_installed_and_asked_through_mlx_lm(tmp_path: Path) -> None:
    model = random_llama(tmp_path / "random-llama")
    requests = [{"messages": [{"role": "user", "content": text}], "max_tokens": 4} for text in ("a", "b", "c")]
    with running(tmp_path / "home", runtimes='["mlx-lm","store"]') as stack:
        installed = stack.wait(stack.submit("download", model=f"local:{model.path}", name="babble"), 60)
        assert installed["state"] == "succeeded", installed["error"]
        job = stack.wait(stack.submit("inference", model="babble", requests=requests), 180)
        assert job["state"] == "succeeded", job["error"]
        assert (job["result"]["succeeded"], job["result"]["completion_tokens"]) == (3, 12)
        (run,) = stack.get("/v1/runs")["data"]
        assert (run["runtime"], run["state"]) == ("mlx-lm", "ready")
        assert run["memory_peak"] > 0
