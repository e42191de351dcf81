"""Batches beside each other: what one of them reads or writes holds up no other."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from api.batches import keeper
from api.batches.turns import Turns
from shared.tables import Batch
from tests.api.batches.test_batches import until
from tests.api.security.test_scopes import key, upload
from tests.api.served import Served
from tests.e2e.batches import CHAT, chat

_LINE = json.dumps(chat("a")).encode()


def test_a_small_batch_begins_and_ends_while_a_large_one_is_validated(
    door: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_EVERY", 0.05)
    mine, theirs = key(door), key(door)
    running = _batch(door, mine, upload(door, mine, _LINE))
    until(door, running, "in_progress")
    large = upload(door, mine, _LINE)
    with _endless(Path(door.parts.store.path(large))):
        validated = _batch(door, mine, large)
        small = _batch(door, theirs, upload(door, theirs, _LINE))
        until(door, small, "in_progress")
        for each in (small, running):
            door.post(f"/v1/batches/{each['id']}/cancel")
            until(door, each, "cancelled")
        assert door.get(f"/v1/batches/{validated['id']}").json()["status"] == "validating"
    until(door, validated, "in_progress")


def test_keys_take_turns_with_one_batch_each_at_a_time() -> None:
    waiting = [_row("a", "1"), _row("a", "2"), _row("b", "3"), _row("c", "4"), _row("c", "5")]
    assert asyncio.run(_taken(waiting, looks=3)) == [["1", "3"], ["4", "2"], ["3", "5"]]


async def _taken(waiting: list[Batch], looks: int) -> list[list[str]]:
    """Which of them are taken a step by each look, while no step gets them anywhere."""
    taken: list[list[str]] = []

    async def step(row: Batch) -> None:
        taken[-1].append(row.id)

    async with asyncio.TaskGroup() as group:
        turns = Turns(group, step)
        for _ in range(looks):
            taken.append([])
            turns.clear()
            turns.give(waiting)
            await asyncio.sleep(0)
    return taken


def _batch(door: Served, headers: dict[str, str], file: str) -> dict[str, Any]:
    made = door.post("/v1/batches", {"input_file_id": file, "endpoint": CHAT}, headers=headers)
    assert made.status_code == 200, made.text
    return dict(made.json())


def _row(owner: str, name: str) -> Batch:
    return Batch(id=name, owner=owner)


@contextmanager
def _endless(path: Path) -> Iterator[None]:
    """Whoever opens this file waits until the block ends."""
    kept = path.rename(path.with_name("kept"))
    os.mkfifo(path)
    try:
        yield
    finally:
        pipe = path.rename(path.with_name("pipe"))
        kept.rename(path)
        os.close(os.open(pipe, os.O_RDWR))
        pipe.unlink()
