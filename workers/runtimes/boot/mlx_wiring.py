"""How much memory this process may wire: its host's agent decides, each part of mlx-lm would wire all a Mac can.

Several processes that do so take more than the machine has, and it panics.
"""

from __future__ import annotations

import os

import mlx.core as mx
import mlx_lm.generate
import mlx_lm.server
import mlx_lm.utils

from workers.launch.wired import VARIABLE

#: Bytes of freed buffers that MLX keeps by itself where there is no GPU.
CPU_CACHE = 32 * 1024**2


def own_wiring() -> None:
    """Replace mlx-lm's choice by what the agent granted; without a grant nothing is wired."""
    granted = int(os.environ.get(VARIABLE, "0"))

    def wire() -> int | None:
        """The earlier limit, or `None` when nothing is wired. Asked before each batch, given back after it."""
        most = mx.device_info().get("max_recommended_working_set_size")
        if not granted or most is None:
            return None
        # More than the device recommends is an error, and the owner may have lowered it since.
        return int(mx.set_wired_limit(min(granted, int(most))))

    for module in (mlx_lm.utils, mlx_lm.generate, mlx_lm.server):
        module.maybe_set_recommended_wired_limit = wire


def bound_memory(limit: int, cache: int) -> None:
    """Give freed buffers back beyond `cache` bytes, and before the process holds `limit` bytes in all.

    MLX's own limits are made for a machine with one process: half more than the GPU recommends, all of it as cache.
    Its allocator for CPUs heeds no limit but that of the cache (`mlx/backend/no_gpu/allocator.cpp`), which stays at the
    little that it is there.
    """
    mx.set_memory_limit(limit)
    mx.set_cache_limit(cache if mx.metal.is_available() else min(cache, CPU_CACHE))


def free_buffers() -> None:
    """Give all freed buffers back to the system; safe from any thread."""
    mx.clear_cache()
