"""Other processes, as tests look at them."""

from __future__ import annotations

import psutil


def is_over(process: psutil.Process) -> bool:
    """It does nothing any more, whether or not somebody has asked how it ended."""
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
