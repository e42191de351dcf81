"""Clients whose model is not loaded yet: each sees signs of life in its own way, and then its answer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.clients.environments import python_with
from tests.stack import running

_SCRIPT = Path(__file__).parent / "scripts" / "cold.py"


@pytest.mark.e2e
def test_every_client_bears_the_wait_for_a_run(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        for client in ("openai", "anthropic", "ollama"):
            command = [str(python_with(client)), str(_SCRIPT), stack.url, client]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
            assert done.returncode == 0, f"{client}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
