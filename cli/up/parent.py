"""Ending with the parent: a part of `up` whose supervisor is gone stops by itself.

The supervisor holds the other end of our standard input and never writes to it. The kernel closes that end however
the supervisor dies, SIGKILL included, on Linux and on macOS alike.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

#: Set by the supervisor in the environment of its parts.
SUPERVISED = "CIDERMILL_SUPERVISED"
#: Seconds for a graceful end before we are gone whatever hangs.
_PATIENCE = 30.0


def end_with_parent() -> None:
    """Watch standard input if a supervisor started us; at its end, stop as on SIGTERM."""
    if os.environ.pop(SUPERVISED, None):
        threading.Thread(target=_watch, name="parent-watch", daemon=True).start()


def _watch() -> None:
    descriptor = sys.stdin.fileno()
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE)
    os._exit(1)
