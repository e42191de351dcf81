"""Short pauses for processes that answer people while threads work beside the event loop."""

from __future__ import annotations

import gc
import sys

#: Seconds for which a thread may keep the event loop from running; Python's own 5 ms are felt in every first token.
_TURN = 0.0005


def shorten() -> None:
    """To be called once, when all is loaded.

    A full collection then looks at what came since, not at the modules, classes and routes that stay for good
    (60 ms and more in the front door), and the loop waits 0.5 ms at most for a thread that computes.
    Source: https://docs.python.org/3/library/gc.html#gc.freeze and `sys.setswitchinterval` there.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(_TURN)
