"""A second copy for people: when more ask at once than there are slots, where memory is free, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scheduler.decisions import NewRun, Start
from scheduler.plan import plan
from scheduler.planner import Planner
from scheduler.reading.snapshot import Reader
from scheduler.views import LoadView, RunView, Snapshot
from shared.db import Database, clock_time
from shared.errors import OutOfMemory
from shared.vocabulary import RunState
from tests.scheduler.fleet import NOW, host, model, run, snapshot
from tests.scheduler.rows import add_host, add_model, add_run

FLEET = [host("studio", 16), host("mini", 16)]
MODELS = [model("qwen", 4, "studio", "mini"), model("llama", 14, "mini")]
FAILED = OutOfMemory("It ran out of memory", "9 GiB", "less context").problem


def asked(people: int, name: str = "r", where: str = "studio", **more: Any) -> RunView:
    """A run of four slots that so many people ask at once."""
    return run(name, where=where, attended=people + 1, streaming=True, **more)


def copies(seen: Snapshot) -> list[str]:
    """Hosts where another copy is loaded."""
    starts = plan(seen).starts
    assert starts == Planner().plan(seen).starts
    return [start.host for start in starts]


def test_a_crowd_gets_a_second_copy() -> None:
    [start] = plan(snapshot(FLEET, MODELS, runs=[asked(5)])).starts
    assert isinstance(start, Start)
    assert isinstance(start.run, NewRun)
    assert (start.host, start.run.model, start.run.rank, start.run.wanted_host) == ("mini", "qwen", 0, None)


def test_as_many_as_there_are_slots_are_no_crowd() -> None:
    assert copies(snapshot(FLEET, MODELS, runs=[asked(4)])) == []


@pytest.mark.parametrize("state", [RunState.STARTING, RunState.READY])
def test_one_copy_with_room_is_enough(state: RunState) -> None:
    second = run("second", where="mini", state=state)
    assert copies(snapshot([*FLEET, host("third", 16)], MODELS, runs=[asked(9), second])) == []


def test_no_memory_is_taken_from_anybody() -> None:
    idle = run("idle", "llama", "mini", held=14 << 30, last_used_at=NOW - 200)
    decided = plan(snapshot(FLEET, MODELS, runs=[asked(9), idle]))
    assert (decided.starts, decided.stops) == ((), ())


def test_a_copy_that_could_not_be_loaded_is_not_tried_again_soon() -> None:
    seen = snapshot(FLEET, MODELS, runs=[asked(9)])
    assert copies(seen) == ["mini"]
    assert copies(replace(seen, loads=(LoadView("qwen", "llama-cpp", NOW - 5, FAILED),))) == []


@pytest.mark.parametrize(("ago", "there"), [(0.0, ["mini"]), (60.0, [])])
def test_a_crowd_is_seen_in_the_database_until_it_must_have_gone(
    database: Database, ago: float, there: list[str]
) -> None:
    with database.write() as session:
        add_host(session, "studio", 16)
        add_host(session, "mini", 16)
        add_model(session, "qwen", 4, "studio", "mini")
        add_run(session, "r", "qwen", "studio", attended=6, last_used_at=clock_time(session) - ago)
    with database.read() as session:
        seen = Reader().read(session, whole=True)
    assert copies(seen) == there
