"""Every route of the front door, as the app itself knows them."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts


@dataclass(frozen=True, order=True)
class Route:
    path: str
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def routes(app: FastAPI) -> list[Route]:
    """One for each method that a path takes, by path; GET of what is only described answers HEAD, too."""
    found = {
        Route(context.path, method)
        for context in iter_route_contexts(app.routes)
        for method in context.methods or ()
        if context.path is not None
    }
    return sorted(found)
