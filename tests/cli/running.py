"""The command line as people run it: a process of its own, or in this one when only its words matter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = (sys.executable, "-m", "cli")


def environment(home: Path, **more: str) -> dict[str, str]:
    """Nothing of the developer's own Cidermill."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CIDERMILL_")}
    return clean | {"CIDERMILL_HOME": str(home), "CIDERMILL_FIND_MODELS": "false", "NO_COLOR": "1"} | more


def cidermill(home: Path, *arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(home, **more),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
