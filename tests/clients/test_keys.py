"""A front door that asks for keys, as each client finds it: let in with one, told where to get one without."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from shared import keys
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.clients.environments import python_with

_SCRIPT = Path(__file__).parent / "scripts" / "keys.py"


@pytest.mark.e2e
@pytest.mark.parametrize("client", ["openai", "anthropic", "ollama"])
def test_a_client_is_let_in_with_a_key_only(fleet: Fleet, open_door: Opener, client: str) -> None:
    door = open_door(require_keys=True)
    with door.database.write() as session:
        _, key = keys.create(session, "ann", "submit")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_", "OLLAMA_"))
    }
    command = [str(python_with(client)), str(_SCRIPT), door.url, client, key]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=kept)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
