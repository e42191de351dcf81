"""What an attempt says on its way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.errors import Cancelled
from shared.protocol import Assignment
from shared.vocabulary import Priority
from tests.frontdoor import WireFrontDoor, wire_front_door
from workers.context import AttemptContext
from workers.frontdoor import FrontDoor
from workers.outbox import Outbox
from workers.store import host_store


@pytest.fixture
def door() -> Iterator[WireFrontDoor]:
    with wire_front_door() as opened:
        yield opened


@contextmanager
def attempt(door: WireFrontDoor, folder: Path, number: int = 1) -> Iterator[AttemptContext]:
    client = FrontDoor(door.url, SecretStr("secret"), timeout=60.0)
    outbox = Outbox(client, "wk_1", folder / "spool", lambda _: None)
    assignment = Assignment(job_id="job_1", attempt=number, kind="scan", params={}, priority=Priority.NORMAL, slots=1)
    yield AttemptContext(assignment, client, outbox, host_store(folder / "models"), "wk_1", folder)
    client.close()


@pytest.mark.parametrize("line", ["a name with \ud83d", "a name"])
def test_words_that_cannot_be_told_do_not_end_the_attempt(door: WireFrontDoor, tmp_path: Path, line: str) -> None:
    door.answers["/output"] = lambda _: (200, {"accepted": True})
    with attempt(door, tmp_path) as context:
        context.log(line)
        context.raise_if_cancelled()


def test_an_attempt_recalls_what_earlier_ones_finished_page_by_page(door: WireFrontDoor, tmp_path: Path) -> None:
    pages = {
        -1: {"items": [{"index": 0, "data": "a"}, {"index": 4, "data": None}], "more": True},
        4: {"items": [{"index": 5, "data": {"b": 1}}], "more": False},
    }
    door.answers["/items/recall"] = lambda said: (200, pages[said["after"]])
    with attempt(door, tmp_path, 2) as context:
        assert not door.heard, "kinds that do not look are told nothing"
        assert context.items.done == {0: "a", 4: None, 5: {"b": 1}}
        context.items.put(6, "c")
        assert list(context.items.done) == [0, 4, 5, 6]
    assert len(door.bodies("/items/recall")) == 2


def test_a_first_attempt_asks_for_nothing(door: WireFrontDoor, tmp_path: Path) -> None:
    with attempt(door, tmp_path) as context:
        assert context.items.done == {}
    assert door.heard == []


def test_a_job_that_is_cancelled_reads_no_further(door: WireFrontDoor, tmp_path: Path) -> None:
    with attempt(door, tmp_path, 2) as context:

        def cancel(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            context.cancelled.set()
            return 200, {"items": [], "more": True}

        door.answers["/items/recall"] = cancel
        with pytest.raises(Cancelled):
            context.items.done  # noqa: B018


def test_an_attempt_that_recalls_holds_up_no_other(door: WireFrontDoor, tmp_path: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def wait(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked.set()
        go_on.wait(60)
        return 200, {"items": []}

    door.answers["/items/recall"] = wait
    with (
        attempt(door, tmp_path, 2) as again,
        attempt(door, tmp_path) as first,
        ThreadPoolExecutor(2) as threads,
    ):
        recalled = threads.submit(lambda: again.items.done)
        try:
            assert asked.wait(30)
            assert threads.submit(lambda: first.items.done).result(30) == {}
        finally:
            go_on.set()
        assert recalled.result(30) == {}
