"""Memory of everything `up` keeps running while nothing is loaded."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from shared.settings import load_settings
from shared.units import MIB
from tests.load.figure import Figure
from tests.stack import running
from workers.agent.memory.sources import source_of

_FIVE = '["echo","llama-cpp","mlx-lm","whisper","store"]'
_SETTLE_SECONDS = 10.0
_READINGS = 100


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), runtimes=_FIVE) as stack:
        time.sleep(_SETTLE_SECONDS)
        sizes = {name: _size(process.pid) for name, process in stack.processes.items() if name != "alpha"}
        sizes["agent"] = _size(stack.processes["alpha"].pid)
        workers = [_size(worker.pid) for worker in stack.workers()]
        for name, size in sizes.items():
            yield Figure(f"idle memory of {name}", size, "MB")
        yield Figure("idle memory of a worker", sum(workers) / len(workers), "MB", note=f"mean of {len(workers)}")
        yield Figure("api, scheduler, agent and idle workers", sum(sizes.values()) + sum(workers), "MB", 600, "less")
        yield _reading(stack.processes["api"].pid)


def _reading(pid: int) -> Figure:
    """What an agent does again and again for each of its runs; psutil's own exact reading is there to compare with."""
    source = source_of(load_settings())
    ours, raw = _costs(lambda: source.read([pid])), _costs(lambda: psutil.Process(pid).memory_full_info())
    return Figure("a reading of memory", ours, "ms", 20, "less", f"psutil's exact one: {raw:.2f} ms")


def _costs(read: Callable[[], object]) -> float:
    """Milliseconds of the processor for one of many."""
    read()
    before = time.thread_time()
    for _ in range(_READINGS):
        read()
    return (time.thread_time() - before) / _READINGS * 1000


def _size(pid: int) -> float:
    """Proportional set size where the system knows it, resident set size elsewhere, in MB of 2^20 bytes."""
    memory = psutil.Process(pid).memory_full_info()
    return float(getattr(memory, "pss", memory.rss)) / MIB
