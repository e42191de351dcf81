"""Policies, one file each, found by import: a file offers `NAME` and `policy()`, which makes a fresh one."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module

from scheduler.simulate.engine import Decide


def policies() -> Mapping[str, Decide]:
    """A fresh one of each by name, ours first."""
    files = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return {file.NAME: file.policy() for file in sorted(files, key=lambda file: (file.NAME != "cidermill", file.NAME))}
