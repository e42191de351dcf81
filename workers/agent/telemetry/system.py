"""Processor and memory through psutil, on every platform."""

from __future__ import annotations

import psutil


def available() -> bool:
    return True


def collect() -> dict[str, object]:
    """Bytes, percent since the last call, and the one-minute load."""
    memory = psutil.virtual_memory()
    return {
        "memory_used": memory.total - memory.available,
        "memory_available": memory.available,
        "cpu_percent": psutil.cpu_percent(),
        "load": psutil.getloadavg()[0],
    }
