"""A real front door on a real port, and a fleet moved by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from shared.db import Database
from tests.api.fleet import Fleet
from tests.api.served import Served, serve

Opener = Callable[..., Served]


@pytest.fixture
def open_door(database_url: str, tmp_path: Path) -> Iterator[Opener]:
    """Opens front doors with settings of the test's own; all are closed at its end."""
    with ExitStack() as stack:

        def opened(**settings: object) -> Served:
            database = Database(database_url)
            stack.callback(database.close)
            server: AbstractContextManager[Served] = serve(database, tmp_path, **settings)
            return stack.enter_context(server)

        yield opened


@pytest.fixture
def door(open_door: Opener) -> Served:
    """A front door on loopback, open to everybody there, with the host `studio` beside it."""
    return open_door(host_name="studio")


@pytest.fixture
def fleet(door: Served) -> Fleet:
    """The host `studio`, registered, with the echo and store runtimes."""
    fleet = Fleet(door, "studio")
    fleet.register()
    return fleet
