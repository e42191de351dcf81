"""Lines for many models, or for one of many names, as they are sorted into parts."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from api.batches import piles, rows
from api.batches.begin import begin
from api.batches.collect import collect
from api.deps import FrontDoor
from api.gateway.exchange import Exchange
from api.gateway.model_names import Found
from shared import aliases, catalog, files
from shared.db import Database
from shared.errors import NoCapacity
from shared.requests import CHAT
from shared.tables import Batch, Result
from shared.vocabulary import Capability
from tests.api.batches.test_begin import batch_of, opened
from tests.e2e.batches import chat

_MODELS, _LINES = 50, 4


@pytest.fixture
def door(database: Database, tmp_path: Path) -> FrontDoor:
    return opened(database, tmp_path)


@pytest.mark.parametrize("spool", [1, piles._SPOOL])
def test_lines_for_many_models_in_turn_have_a_part_for_each(
    door: FrontDoor, monkeypatch: pytest.MonkeyPatch, spool: int
) -> None:
    monkeypatch.setattr(piles, "_SPOOL", spool)
    names = [f"echo-{number}" for number in range(_MODELS)]
    with door.write() as session:
        echo = catalog.find(session, "echo")
        for number, name in enumerate(names):
            aliases.put(session, name, echo, defaults={"context": 1000 + number})
    parts = rows.parts_of(_begun(door, names * _LINES))
    assert [(part.model, part.lines) for part in parts] == [(name, _LINES) for name in names]
    told = [[(line["custom_id"], line["asked"]["body"]["model"]) for line in _lines(door, part.file)] for part in parts]
    assert told == [[(str(n * _MODELS + at), name) for n in range(_LINES)] for at, name in enumerate(names)]


def test_aliases_of_one_model_share_a_part_and_keep_what_each_wants(door: FrontDoor) -> None:
    with door.write() as session:
        for number in range(2):
            aliases.put(session, f"a{number}", catalog.find(session, "echo"), defaults={"temperature": number})
    [part] = rows.parts_of(_begun(door, ["a0", "a1"]))
    assert part.model is None
    assert [line["body"]["temperature"] for line in _lines(door, part.file)] == [0, 1]


def test_each_answer_calls_its_model_as_its_line_does(door: FrontDoor) -> None:
    names = ["echo", "Echo", "echo:latest"]
    row = _begun(door, names)
    [part] = rows.parts_of(row)
    with door.write() as session:
        for index in range(len(names)):
            said = {"response": {"model": "of the engine", "choices": []}, "usage": {}}
            session.add(Result(job_id=part.job, index=index, attempt=1, data=said, failed=False, created_at=1.0))
        rows.finalize(session, row)
    collect(door, row)
    with door.read() as session:
        output = session.get_one(Batch, row.id).output_file
    assert output is not None
    assert [line["response"]["body"]["model"] for line in _lines(door, output)] == names


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_is_told_once(door: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the file tries to write once more what found no room."""
    monkeypatch.setattr(piles, "SpooledTemporaryFile", lambda _: Path("/dev/full").open("wb"))  # noqa: SIM115
    with door.read() as session:
        echo = Found(catalog.find(session, "echo"))
    exchange = Exchange("echo", Capability.GENERATE, CHAT, {})
    with pytest.raises(NoCapacity), piles.Piles() as sorted_lines:
        deque(sorted_lines.add(exchange, echo, {}, b"x" * 3000) for _ in range(10))


def _begun(door: FrontDoor, names: list[str]) -> Batch:
    """A batch with a line for each name."""
    row = batch_of(door, asked=[chat(str(number), model=name) for number, name in enumerate(names)])
    begin(door, row)
    with door.read() as session:
        begun = session.get_one(Batch, row.id)
    assert begun.in_progress_at is not None, begun.errors
    return begun


def _lines(door: FrontDoor, file_id: str) -> list[dict[str, Any]]:
    with door.read() as session:
        file = files.find(session, file_id)
    return [json.loads(line) for line in b"".join(door.store.pieces(file.id, 0, file.size)).splitlines()]
