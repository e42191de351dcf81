"""A front door of its own for each test, in front of SQLite, and a hub that has nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.conftest import door, engine, fleet, open_door
from tests.hub import running_hub

__all__ = ["door", "engine", "fleet", "open_door"]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody asks the real one."""
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield
