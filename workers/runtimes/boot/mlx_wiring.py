"""How much memory this process may wire, decided by us: each part of mlx-lm would wire all a Mac recommends.

Several processes that do so take more than the machine has, and it panics.
"""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx
import mlx_lm.generate
import mlx_lm.server
import mlx_lm.utils


def own_wiring(mode: str) -> None:
    """Replace mlx-lm's choice by `mode`: `off`, `weights` (what is in use once loaded) or `full` (its own)."""
    wire = _MODES[mode]
    for module in (mlx_lm.utils, mlx_lm.generate, mlx_lm.server):
        module.maybe_set_recommended_wired_limit = wire


def _wire_nothing() -> int | None:
    return None


def _wire_weights() -> int | None:
    """Asked when the first batch is made, so that what is active are the weights; the growing cache stays pageable."""
    most = mx.device_info().get("max_recommended_working_set_size")
    return None if most is None else int(mx.set_wired_limit(min(mx.get_active_memory(), most)))


_MODES: dict[str, Callable[[], int | None]] = {
    "off": _wire_nothing,
    "weights": _wire_weights,
    "full": mlx_lm.utils.maybe_set_recommended_wired_limit,
}
