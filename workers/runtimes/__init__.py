"""The engines of this host: one file each, found by import. Nothing here imports an ML library."""

from __future__ import annotations

import logging
import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.runtimes import Runtime

_log = logging.getLogger(__name__)


def discover() -> dict[str, Runtime]:
    """Every runtime that has a file here, by name, installed or not; `probe` tells which are.

    A file that cannot be imported is logged with the reason, and the others still work.
    """
    found: dict[str, Runtime] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg:
            continue
        try:
            runtime: Runtime = import_module(f"{__name__}.{module.name}").RUNTIME
        except (ImportError, SyntaxError, AttributeError) as error:
            _log.warning("runtime file %s.py cannot be used: %s", module.name, error)
            continue
        found[runtime.name] = runtime
    return found
