"""What was counted reaches the database, whatever else cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from api.meter import Meter
from shared import calls, usage
from shared.calls import Called
from shared.db import Database
from shared.settings import Settings
from shared.usage import Part, Spent

_GOOD, _LATE = Part("", "good"), Part("", "late")


@pytest.fixture
def meter(database: Database, tmp_path: Path) -> Meter:
    return Meter(database, Settings(home=tmp_path))


def called(name: str, prompt: int = 1) -> Called:
    return Called(name, "", "echo", "/v1/chat/completions", calls.DONE, prompt=prompt)


def written(database: Database) -> tuple[dict[str, int], list[str]]:
    """Tokens of prompts by model, and the requests that are logged, the oldest first."""
    with database.read() as session:
        rows = {row.model: row.prompt for row in usage.listed(session)}
        return rows, [call.request_id for call in reversed(calls.listed(session))]


@pytest.mark.parametrize("odd", [Spent(prompt=2**70), Spent(prompt=2**63), Spent(audio=float("nan"))])
def test_usage_that_no_database_takes_is_left_out_and_all_other_is_written(
    database: Database, meter: Meter, odd: Spent
) -> None:
    if odd.audio and not database.sqlite:
        pytest.skip("PostgreSQL stores it")
    meter.count(Part("", "bad"), odd)
    meter.count(_GOOD, Spent(1, prompt=7))
    for name in ("first", "second"):
        meter.called(called(name))
    meter.write()
    assert written(database) == ({"good": 7}, ["first", "second"])
    meter.count(_LATE, Spent(1, prompt=3))
    meter.write()
    assert written(database)[0] == {"good": 7, "late": 3}


def test_a_call_that_no_database_takes_is_left_out_of_the_log(database: Database, meter: Meter) -> None:
    meter.count(_GOOD, Spent(1, prompt=7))
    for call in (called("first"), called("odd", prompt=2**70), called("second")):
        meter.called(call)
    meter.write()
    assert written(database) == ({"good": 7}, ["first", "second"])


def nested(levels: int) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for _ in range(levels):
        content = {"a": content}
    return content


def test_what_is_nested_deep_is_logged_or_left_out_alone(database: Database, meter: Meter) -> None:
    meter.count(_GOOD, Spent(1, prompt=7))
    for name, levels in (("deep", 600), ("deeper", 100_000), ("flat", 1)):
        meter.called(replace(called(name), content=nested(levels)))
    meter.write()
    assert written(database) == ({"good": 7}, ["deep", "flat"])


def test_a_mistake_of_ours_loses_nothing(database: Database, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(session: Session, called: object) -> None:
        raise LookupError("never heard of")

    meter.count(_GOOD, Spent(1, prompt=7))
    meter.called(called("first"))
    with monkeypatch.context() as patch:
        patch.setattr(calls, "record", mistaken)
        with pytest.raises(LookupError):
            meter.write()
    meter.write()
    assert written(database) == ({"good": 7}, ["first"])


def test_what_the_database_cannot_take_yet_is_written_once_it_can(database: Database, meter: Meter) -> None:
    with database.write() as session:
        session.execute(text("ALTER TABLE calls RENAME TO away"))
    meter.count(_GOOD, Spent(1, prompt=7))
    meter.count(Part("", "bad"), Spent(prompt=2**70))
    for name in ("first", "second"):
        meter.called(called(name))
    meter.write()
    meter.called(called("third"))
    with database.write() as session:
        session.execute(text("ALTER TABLE away RENAME TO calls"))
    meter.write()
    assert written(database) == ({"good": 7}, ["first", "second", "third"])
