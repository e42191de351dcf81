"""A front door that says what it is told to, and a worker's client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from tests.frontdoor import WireFrontDoor, wire_front_door
from workers.frontdoor import FrontDoor


@pytest.fixture
def door() -> Iterator[WireFrontDoor]:
    with wire_front_door() as door:
        yield door


@pytest.fixture
def client(door: WireFrontDoor) -> Iterator[FrontDoor]:
    client = FrontDoor(door.url, SecretStr("secret"), timeout=60.0)
    yield client
    client.close()
