"""The demo as people see it: real models, real processes, every result proven by itself."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from cli.exits import Exit
from tests.cli.running import COMMAND, environment


@pytest.mark.e2e
@pytest.mark.model
@pytest.mark.timeout(1200)
def test_the_demo_proves_all_it_shows_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--in", str(tmp_path / "demo")],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == Exit.OK, done.stderr
    table = done.stdout.partition("== What happened")[2]
    kinds = Counter(line.split()[0] for line in table.splitlines() if line.strip())
    assert (kinds["download"], kinds["inference"], kinds["transcription"], kinds["benchmark"]) == (2, 2, 1, 1)
    assert "kill -9" in done.stderr
