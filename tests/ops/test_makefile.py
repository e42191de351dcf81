"""What the words of `make` install, without installing it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("machine", "comes"), [("Darwin arm64", True), ("Darwin x86_64", False), ("Linux x86_64", False)]
)
def test_models_of_mlx_run_on_apple_silicon_after_make_up(tmp_path: Path, machine: str, *, comes: bool) -> None:
    uname = tmp_path / "uname"
    uname.write_text(f"#!/bin/sh\necho {machine}\n")
    uname.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["make", "--dry-run", "--always-make", "up"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=_ROOT, env=environment).stdout
    assert "--extra llama" in said
    assert ("--extra mlx" in said) == comes
