"""OpenAI's own client and the batches of the front door: files, answers, errors, cancelling, expiry, lists that end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.clients.environments import python_with
from tests.stack import running

_SCRIPT = Path(__file__).parent / "scripts" / "openai_batches.py"


@pytest.mark.e2e
@pytest.mark.timeout(400)
def test_a_client_of_python_sends_batches(tmp_path: Path) -> None:
    python = python_with("openai")
    with running(tmp_path) as stack:
        done = subprocess.run(
            [str(python), str(_SCRIPT), stack.url], capture_output=True, text=True, check=False, timeout=300
        )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
