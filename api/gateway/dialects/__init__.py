"""The dialects: what clients of other systems speak, found by import.

OpenAI's, Anthropic's and Ollama's have a module with `router` for each group of their routes. Importing all of them
registers, for every path, the shape of its errors and limits (`api.shapes`); one module may do so for others.
"""

from __future__ import annotations

import importlib
import pkgutil

from fastapi import APIRouter


def routers() -> tuple[list[APIRouter], list[APIRouter]]:
    """Of every dialect: those whose paths are all fixed, the smallest first, and the others.

    Routes are tried one after the other, which is most of what a request costs. Fixed paths take nothing from other
    routes, so they may be tried before all others.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = [importlib.import_module(f"{__name__}.{name}").router for name in names]
    fixed = [router for router in found if not any("{" in getattr(route, "path", "") for route in router.routes)]
    return sorted(fixed, key=lambda router: len(router.routes)), [router for router in found if router not in fixed]
