"""Waiting for what will happen, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(condition: Callable[[], object], within: float = 5.0, rarest: float = 0.005) -> None:
    """Return as soon as `condition` holds; fail when it does not within that many seconds.

    It is asked every 5 ms at first; the longer it takes the more rarely, down to every `rarest` seconds.
    """
    deadline, pause = time.monotonic() + within, 0.005
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {within} s"
        time.sleep(pause)
        pause = min(pause * 1.2, rarest)
