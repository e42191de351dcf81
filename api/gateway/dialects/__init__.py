"""The dialects: what clients of other systems speak, one file each, found by import.

A dialect is a module with `router`; importing it registers the shape of its errors (`api.shapes`).
"""

from __future__ import annotations

import importlib
import pkgutil

from fastapi import APIRouter


def routers() -> list[APIRouter]:
    """Of every dialect, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [importlib.import_module(f"{__name__}.{name}").router for name in names]
