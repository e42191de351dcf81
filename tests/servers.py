"""Real servers for tests: started once, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from cli.embedded.valkey import EmbeddedValkey
from tests.ports import own_port


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """One Valkey for all tests of a session."""
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(valkey_server: EmbeddedValkey) -> str:
    """The URL of a Valkey that is empty when the test starts."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A running Valkey that the test may kill, stop and start again."""
    server = EmbeddedValkey(tmp_path / "valkey", own_port())
    server.start()
    yield server
    server.stop()
