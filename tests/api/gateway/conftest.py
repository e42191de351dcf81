"""Engines, and a second host for requests beside the one of the front door's own machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared import engine_pass
from shared.runtimes import InstalledModel, RunSpec
from shared.tables import Run
from shared.units import Bytes
from shared.vocabulary import Format
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.ports import own_port
from workers.agent.engine_door import EngineDoor
from workers.agent.peer import PeerServer
from workers.process import RunProcess
from workers.runtimes.echo import RUNTIME

_SERVED = InstalledModel(id="x", name="served-echo", format=Format.ECHO, path="", size=Bytes(0))


@pytest.fixture
def engines() -> Iterator[list[RunProcess]]:
    """Two echo engines with four slots each."""
    both = [RunProcess.start(RUNTIME.plan(RunSpec(slots=4), _SERVED, own_port())) for _ in range(2)]
    for engine in both:
        engine.wait_ready(RUNTIME.diagnose)
    yield both
    for engine in both:
        engine.stop()


@pytest.fixture
def mini(door: Served) -> Iterator[Fleet]:
    """A second host, whose runs are reached through its agent."""
    fleet = Fleet(door, "mini")
    key = engine_pass.own_secret(fleet.token)
    server = PeerServer("127.0.0.1", 0, "mini", b"", None, EngineDoor(key, lambda run_id, _: here(door, run_id)))
    fleet.register(agent="agent-2", engine_url=f"http://127.0.0.1:{server.port}")
    yield fleet
    server.close()


def here(door: Served, run_id: str) -> str | None:
    with door.database.read() as session:
        run = session.get(Run, run_id)
        return str(run.endpoint["url"]) if run is not None and run.endpoint else None
