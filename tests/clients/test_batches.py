"""Clients and the batches of the front door: files, answers, errors, cancelling, expiry, lists that end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.clients.environments import python_with, script_of_node
from tests.stack import running

_SCRIPTS = Path(__file__).parent / "scripts"


@pytest.mark.e2e
@pytest.mark.parametrize("script", ["openai_batches.py", "anthropic_batches.py", "openai_batches.mjs"])
def test_a_client_sends_batches(tmp_path: Path, script: str) -> None:
    client = script.split("_")[0]
    if script.endswith(".mjs"):
        command = script_of_node(_SCRIPTS / script, client)
    else:
        command = [str(python_with(client)), str(_SCRIPTS / script)]
    with running(tmp_path) as stack:
        done = subprocess.run([*command, stack.url], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
