"""Models as Anthropic's clients list them, at the path where OpenAI's ask too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from shared import aliases, catalog
from shared.protocol import InstallRecord
from shared.tables import Model
from shared.units import Bytes
from shared.vocabulary import Capability, Format
from tests.api.fleet import Fleet
from tests.api.served import Served

_VERSION = {"anthropic-version": "2023-06-01"}
_NAMES = [f"org/model-{number}:q4" for number in range(5)]


@pytest.fixture
def models(door: Served, fleet: Fleet) -> list[str]:
    """Ids, the newest first."""
    with door.database.write() as session:
        for number, name in enumerate(_NAMES):
            record = InstallRecord(
                provider="local", repo=f"/{number}", format=Format.ECHO, path=f"/{number}", size=Bytes(1), name=name,
                capabilities=(Capability.GENERATE,), context=4096,
            )  # fmt: skip
            (model_id,) = catalog.register(session, "studio", [record])
            session.get_one(Model, model_id).created_at = 2e9 + number
    return [*reversed(_NAMES), "echo"]


def page(door: Served, **query: Any) -> dict[str, Any]:
    answer = door.get("/v1/models", params=query, headers=_VERSION)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    assert set(said) == {"data", "has_more", "first_id", "last_id"}
    ids = [model["id"] for model in said["data"]]
    assert (said["first_id"], said["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
    return said | {"ids": ids}


def test_the_header_chooses_the_shape(door: Served, models: list[str]) -> None:
    theirs = page(door)
    assert (theirs["ids"], theirs["has_more"]) == (models, False)
    one = theirs["data"][0]
    assert (one["type"], one["display_name"], one["max_input_tokens"]) == ("model", models[0], 4096)
    assert datetime.fromisoformat(one["created_at"]).timestamp() == 2e9 + 4
    ours = door.get("/v1/models").json()
    assert (ours["object"], ours["has_more"], sorted(m["id"] for m in ours["data"])) == ("list", False, sorted(models))
    assert door.get("/anthropic/v1/models").json()["data"] == theirs["data"]


def test_pages_go_on_to_the_end_and_back(door: Served, models: list[str]) -> None:
    seen, said = [], page(door, limit=4)
    while True:
        seen += said["ids"]
        if not said["has_more"]:
            break
        said = page(door, limit=4, after_id=said["last_id"])
    assert seen == models
    back = page(door, limit=4, before_id=models[-1])
    assert (back["ids"], back["has_more"]) == (models[1:5], True)
    assert (page(door, limit=4, before_id=models[1])["ids"]) == models[:1]
    assert page(door, after_id=models[-1])["ids"] == []


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": "many"}, {"after_id": "nobody"}, {"before_id": "nobody"}])
def test_what_is_wrong_is_told_in_anthropics_shape(door: Served, models: list[str], query: dict[str, Any]) -> None:
    answer = door.get("/v1/models", params=query, headers=_VERSION)
    assert (answer.status_code, answer.json()["type"]) == (400, "error")


@pytest.mark.parametrize("path", ["/v1/models/{}", "/anthropic/v1/models/{}"])
def test_ids_have_slashes_and_colons(door: Served, models: list[str], path: str) -> None:
    for name in (models[0], models[0].replace("/", "%2F").replace(":", "%3A")):
        said = door.get(path.format(name), headers=_VERSION).json()
        assert (said["type"], said["id"]) == ("model", models[0])
    assert door.get(f"/v1/models/{models[0]}").json()["object"] == "model"
    refused = door.get(path.format("org/nobody"), headers=_VERSION)
    assert (refused.status_code, refused.json()["error"]["type"]) == (404, "not_found_error")


def test_every_name_that_answers_is_found(door: Served, models: list[str]) -> None:
    with door.database.write() as session:
        aliases.put(session, "gpt-4o", catalog.find(session, models[0]))
    for name in ("gpt-4o", f"{models[0]}@studio", "echo:latest"):
        for headers in ({}, _VERSION):
            answer = door.get(f"/v1/models/{name}", headers=headers)
            assert answer.status_code == 200, answer.text
            assert answer.json()["id"] in models
