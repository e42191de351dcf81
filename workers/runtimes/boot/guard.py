"""End a run at once when the worker that started it is gone."""

from __future__ import annotations

import os
import subprocess

_WAIT_FOR_END_OF_INPUT = "read _; kill -9 0"


#: The waiting shell; kept, so that its object is not collected while it runs.
_guards: list[subprocess.Popen[bytes]] = []


def die_with_parent() -> None:
    """Kill this process group when standard input ends. Call it first, before any slow import.

    The pipe on stdin is held open by the worker alone, so it ends with the worker, however that dies. A tiny shell of
    our own group waits for it: a C call that holds the GIL, an `exec` and a stopped process cannot delay it, and it is
    the same on Linux and macOS.
    """
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    shell = ("/bin/sh", "-c", _WAIT_FOR_END_OF_INPUT)
    _guards.append(subprocess.Popen(shell, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
