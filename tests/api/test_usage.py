"""What was used is listed whole, page by page: bills are made of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import insert

from shared import usage
from shared.tables import Usage
from tests.api.served import Served
from tests.cli.running import cidermill

_DAYS = ("2026-11-20", "2026-11-21")


@pytest.fixture
def rows(door: Served) -> list[tuple[str, str, str]]:
    """Some that were used, in the order of the list."""
    used = [(day, f"key_{key}", model) for day in _DAYS for key in "abc" for model in ("a:b", "hf:org/model", "z")]
    with door.database.write() as session:
        session.execute(insert(Usage), [_row(*names) for names in used])
    return sorted(used, key=lambda row: (-_DAYS.index(row[0]), *row[1:]))


def _row(day: str, key: str, model: str) -> dict[str, object]:
    numbers = {"requests": 1, "prompt": 1, "cached": 0, "completion": 1, "audio": 0.0, "seconds": 1.0}
    return {"day": day, "key": key, "model": model, **numbers}


@pytest.mark.parametrize("limit", [1, 4, 9, 18, 19])
def test_all_that_was_used_is_told_page_by_page(door: Served, rows: list[tuple[str, str, str]], limit: int) -> None:
    found: list[tuple[str, str, str]] = []
    page = {"has_more": True, "last_id": None}
    while page["has_more"]:
        place = {"after": page["last_id"]} if page["last_id"] else {}
        page = door.get("/v1/usage", params={"limit": limit, **place}).json()
        found += [(row["day"], row["key"], row["model"]) for row in page["data"]]
    assert found == rows


@pytest.mark.parametrize(
    ("asked", "days", "models"),
    [
        ({"since": _DAYS[1]}, _DAYS[1:], {"a:b", "hf:org/model", "z"}),
        ({"until": _DAYS[0]}, _DAYS[:1], {"a:b", "hf:org/model", "z"}),
        ({"since": _DAYS[0], "until": _DAYS[1], "model": "z"}, _DAYS, {"z"}),
        ({"until": "2026-11-19"}, (), set()),
    ],
)
def test_only_the_days_and_the_model_that_were_asked_for_are_told(
    door: Served, rows: list[tuple[str, str, str]], asked: dict[str, str], days: tuple[str, ...], models: set[str]
) -> None:
    told = door.get("/v1/usage", params=asked).json()["data"]
    wanted = [row for row in rows if row[0] in days and row[2] in models]
    assert [(row["day"], row["key"], row["model"]) for row in told] == wanted


def test_what_is_no_row_is_refused_as_a_place_in_the_list(door: Served) -> None:
    refused = door.get("/v1/usage", params={"after": "2026-11-20"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_parameters")


def test_the_command_tells_more_than_one_page_holds(door: Served, tmp_path: Path) -> None:
    with door.database.write() as session:
        session.execute(insert(Usage), [_row(_DAYS[0], f"key_{number:04}", "echo") for number in range(1100)])
    told = cidermill(tmp_path, "--url", door.url, "usage", "--json").stdout.splitlines()
    assert len({json.loads(line)["key"] for line in told}) == 1100


def test_what_a_key_used_of_very_many_models_counts_whole(door: Served) -> None:
    with door.database.write() as session:
        session.execute(insert(Usage), [_row(_DAYS[0], "key_a", f"model {number}") for number in range(1100)])
    with door.database.read() as session:
        assert usage.of_day(session, "key_a", _DAYS[0]).requests == 1100
