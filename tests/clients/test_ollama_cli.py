"""Ollama's command line, call by call: itself it cannot be installed from a registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import Stack
from workers.runtimes import discover

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.model,
    pytest.mark.skipif(discover()["llama-cpp"].probe() is None, reason="llama.cpp is not installed"),
]
_SCRIPT = Path(__file__).parent / "scripts" / "ollama_cli.py"


def test_the_calls_of_ollamas_command_line_are_answered(stack: Stack) -> None:
    command = [sys.executable, str(_SCRIPT), stack.url, "smollm2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
