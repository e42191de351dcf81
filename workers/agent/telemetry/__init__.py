"""What a host measures, one file per collector, found by import; each fills the fields it knows.

A collector is a module with `collect() -> dict[str, object]`: names of `Telemetry` fields to values. What it does not
know it leaves out; unknown is never zero.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache

from shared.protocol import Telemetry


@cache
def collectors() -> tuple[tuple[str, Callable[[], dict[str, object]]], ...]:
    """Those that can run here, by name."""
    found = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        if loaded.available():
            found.append((module.name, loaded.collect))
    return tuple(found)


def collect() -> Telemetry:
    """One sample of everything this host can measure."""
    fields: dict[str, object] = {}
    for _, collector in collectors():
        fields |= collector()
    return Telemetry.model_validate({**fields, "source": "+".join(name for name, _ in collectors())})
