"""The kinds of jobs, one file each, found by import."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from shared.kinds.contract import Kind


@cache
def kinds() -> dict[str, type[Kind]]:
    """Every kind by its name."""
    found: dict[str, type[Kind]] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name == "contract":
            continue
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        for value in vars(loaded).values():
            if isinstance(value, type) and issubclass(value, Kind) and value.__module__ == loaded.__name__:
                found[value.name] = value
    return dict(sorted(found.items()))


def open_kinds() -> dict[str, type[Kind]]:
    """The kinds that people may submit, by name."""
    return {name: kind for name, kind in kinds().items() if not kind.internal}
