"""The front door as an app nobody serves, on a fresh database, for pages about it."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api import routes
from api.app import create_app
from api.deps import Admin, Asker, Changer, Joiner, Reader, Submitter, WorkerHost
from api.gateway import dialects
from shared.db import Database
from shared.schema import upgrade
from shared.settings import Settings

_ASKS = {
    Reader: "read", Submitter: "submit", Asker: "submit", Changer: "submit", Admin: "admin", Joiner: "worker",
    WorkerHost: "host token",
}  # fmt: skip


@contextmanager
def front_door() -> Iterator[FastAPI]:
    """The app; its folder and database are gone afterwards."""
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        database = Database(settings.database)
        try:
            upgrade(database)
            yield create_app(settings, database)
        finally:
            database.close()


def roles() -> dict[tuple[str, str], str]:
    """What each method and path asks of its caller; nothing for those that ask for nothing."""
    needs = {get_args(asked)[1].dependency: role for asked, role in _ASKS.items()}
    found = {}
    for route in _routes():
        asked = [needs[each.call] for each in route.dependant.dependencies if each.call in needs]
        path = re.sub(r":\w+}", "}", route.path)
        found.update({(method, path): "".join(asked) for method in route.methods or ()})
    return found


def _routes() -> Iterator[APIRoute]:
    for package in (routes, dialects):
        for module in pkgutil.iter_modules(package.__path__):
            router: Any = getattr(import_module(f"{package.__name__}.{module.name}"), "router", None)
            yield from (route for route in getattr(router, "routes", ()) if isinstance(route, APIRoute))
