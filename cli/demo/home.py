"""The demo's own folder: nothing of the user's Cidermill is read, used or changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cli.embedded.pidfile import PidFile
from cli.up import record
from cli.up.orphans import end_orphans
from shared.errors import Conflict

_MARK = "this-is-a-cidermill-demo"


def enter(home: Path) -> None:
    """Make the folder empty, and make it the home of this process and all that it starts.

    Raises Conflict when a demo runs there, or when the folder is not a demo's.
    """
    _clear(home)
    home.mkdir(parents=True)
    (home / _MARK).touch()
    for name in [name for name in os.environ if name.startswith("CIDERMILL_")]:
        del os.environ[name]
    # Nor are the models that other programs keep on this machine.
    os.environ |= {"CIDERMILL_HOME": str(home), "CIDERMILL_PORT": "0", "CIDERMILL_FIND_MODELS": "false"}
    # A cidermill.toml of the folder we were called in is not meant for the demo.
    os.chdir(home)


def _clear(home: Path) -> None:
    if not home.exists():
        return
    if not (home / _MARK).exists() and any(home.iterdir()):
        raise Conflict(f"{home} is not a demo's folder", "it holds other things", "name another with --in DIR")
    last = record.read(home / "state")
    if last is not None and last.running:
        raise Conflict(f"A demo is running in {home}", f"process {last.supervisor.pid}", "wait for it, or stop it")
    end_orphans(last)
    valkey = PidFile(home / "state" / "valkey" / "valkey.pid").process()
    if valkey is not None:
        valkey.kill()
    shutil.rmtree(home)
