"""A real front door on a real port, and a fleet moved by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from shared.db import Database
from shared.runtimes import InstalledModel, RunSpec
from shared.units import Bytes
from shared.vocabulary import Format
from tests.api.fleet import Fleet
from tests.api.served import Served, serve
from tests.ports import own_port
from workers.process import RunProcess
from workers.runtimes.echo import RUNTIME

_SERVED = InstalledModel(id="x", name="served-echo", format=Format.ECHO, path="", size=Bytes(0))

Opener = Callable[..., Served]

#: Seconds that a test takes at most.
_LONGEST = 30.0
#: Seconds after its last word in which a host counts as there: nobody keeps a test's host up, however long it takes.
_LEASE = 600.0


@pytest.fixture(autouse=True)
def _one_hour() -> None:
    """What is counted by the hour or the day begins anew with the next: no test begins right before that."""
    left = 3600.0 - time.time() % 3600.0
    if left < _LONGEST:
        time.sleep(left)


@pytest.fixture
def open_door(database_url: str, tmp_path: Path) -> Iterator[Opener]:
    """Opens front doors with settings of the test's own; all are closed at its end."""
    with ExitStack() as stack:

        def opened(**settings: Any) -> Served:
            database = Database(database_url)
            stack.callback(database.close)
            server: AbstractContextManager[Served] = serve(database, tmp_path, **settings)
            return stack.enter_context(server)

        yield opened


@pytest.fixture
def door(open_door: Opener) -> Served:
    """A front door on loopback, open to everybody there, with the host `studio` beside it."""
    return open_door(host_name="studio", lease_seconds=_LEASE)


@pytest.fixture
def fleet(door: Served) -> Fleet:
    """The host `studio`, registered, with the echo and store runtimes."""
    fleet = Fleet(door, "studio")
    fleet.register()
    return fleet


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """The URL of an echo engine that calls its model `served-echo`."""
    process = RunProcess.start(RUNTIME.plan(RunSpec(), _SERVED, own_port()))
    process.wait_ready(RUNTIME.diagnose)
    yield process.endpoint.url
    process.stop()
