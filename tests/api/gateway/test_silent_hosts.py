"""Hosts that go without a word, as by sleep or loss of power: nobody hears that the connection is over."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from api.gateway import engine_client
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.api.test_gateway import chat
from tests.waiting import eventually
from workers.process import RunProcess

_CHAT = "/v1/chat/completions"
_NEVER_DONE = {"tokens": 100_000, "itl_ms": 20}


class Asking:
    """One request in a thread; what came of it so far."""

    def __init__(self, door: Served, body: dict[str, Any]) -> None:
        self.status = 0
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._ask, args=(door, body), daemon=True)
        self._thread.start()

    def _ask(self, door: Served, body: dict[str, Any]) -> None:
        with httpx2.stream("POST", door.url + _CHAT, json=body, timeout=60, trust_env=False) as answer:
            self.status = answer.status_code
            self.lines += answer.iter_lines()

    def over(self) -> list[str]:
        self._thread.join(60)
        assert not self._thread.is_alive(), "it still waits"
        return self.lines


@contextmanager
def frozen(engine: RunProcess) -> Iterator[None]:
    """It takes connections, and does nothing."""
    os.kill(engine.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(engine.pid, signal.SIGCONT)


@pytest.mark.parametrize("stream", [False, True])
def test_who_was_told_nothing_is_answered_by_another_run_once_the_first_is_over(
    door: Served, fleet: Fleet, mini: Fleet, engines: list[RunProcess], stream: bool
) -> None:
    first = fleet.ready_run(engines[0].endpoint.url)
    with frozen(engines[0]):
        asking = Asking(door, chat("hello", stream=stream))
        eventually(lambda: door.app.state.seats._tenancy._busy(first.run_id))
        mini.ready_run(engines[1].endpoint.url)
        assert fleet.report(first, "failed")
        assert "hello" in "".join(asking.over())
    assert asking.status == 200


def test_who_was_told_something_is_told_that_no_more_comes(
    door: Served, fleet: Fleet, engines: list[RunProcess]
) -> None:
    run = fleet.ready_run(engines[0].endpoint.url)
    asking = Asking(door, chat("hello", stream=True, echo=_NEVER_DONE))
    eventually(lambda: asking.lines)
    with frozen(engines[0]):
        assert fleet.report(run, "failed")
        assert '"code":"unavailable"' in "".join(asking.over()[-4:])


def test_a_run_that_is_over_and_still_speaks_is_heard(
    door: Served, fleet: Fleet, engines: list[RunProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine that stands still for some seconds is silent, too.
    monkeypatch.setattr(engine_client, "_SILENCE_OF_THE_LOST", 30.0)
    run = fleet.ready_run(engines[0].endpoint.url)
    asking = Asking(door, chat("hello", stream=True, echo={"tokens": 250, "itl_ms": 20}))
    eventually(lambda: asking.lines)
    assert fleet.report(run, "failed")
    assert asking.over()[-2] == "data: [DONE]"


@pytest.mark.parametrize("stream", [False, True])
def test_who_asks_a_host_that_is_gone_waits_for_another_until_its_lease_is_over(
    door: Served, fleet: Fleet, engines: list[RunProcess], stream: bool
) -> None:
    first = fleet.ready_run(engines[0].endpoint.url)
    engines[0].stop()
    asking, began = Asking(door, chat("hello", stream=stream)), time.monotonic()
    eventually(lambda: time.monotonic() > began + 2)
    assert fleet.report(first, "failed")
    eventually(lambda: _pending(door))
    fleet.make_ready(_pending(door)[0], engines[1].endpoint.url)
    assert "hello" in "".join(asking.over())
    assert asking.status == 200


def _pending(door: Served) -> list[str]:
    return [run["id"] for run in door.get("/v1/runs").json()["data"] if run["state"] == "pending"]
