"""A lane to send to and to listen on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from shared.broker import Dispatcher, LaneWorker
from tests.shared.broker.heard import Heard

LANE = "mini.echo"
#: Seconds that Redis may take in these tests: a machine that stalls is not one whose Redis is gone.
_PATIENCE = 30.0


class Listen(Protocol):
    """Starts a worker; it is stopped with the test."""

    def __call__(
        self, url: str, heard: Heard, *, lane: str = LANE, threads: int = 1, prefetch: int = 16
    ) -> LaneWorker: ...


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gives up on a Redis that is slow."""
    for name in ("wake._TIMEOUT", "dispatcher._TIMEOUT", "worker._TIMEOUT", "bell._GRACE"):
        monkeypatch.setattr(f"shared.broker.{name}", _PATIENCE)


@pytest.fixture
def listen(patient: None) -> Iterator[Listen]:
    workers: list[LaneWorker] = []

    def start(url: str, heard: Heard, *, lane: str = LANE, threads: int = 1, prefetch: int = 16) -> LaneWorker:
        worker = LaneWorker(url, "test", lane, heard.execute, heard.tend, threads=threads, prefetch=prefetch)
        workers.append(worker)
        worker.start()
        return worker

    yield start
    for worker in workers:
        worker.stop()


@pytest.fixture
def dispatcher_to(patient: None) -> Iterator[Callable[[str], Dispatcher]]:
    dispatchers: list[Dispatcher] = []

    def connect(url: str) -> Dispatcher:
        dispatchers.append(Dispatcher(url, "test"))
        return dispatchers[-1]

    yield connect
    for dispatcher in dispatchers:
        dispatcher.close()


@pytest.fixture
def dispatcher(valkey: str, dispatcher_to: Callable[[str], Dispatcher]) -> Dispatcher:
    return dispatcher_to(valkey)
