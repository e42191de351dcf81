"""Other names of models over REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served

_PATH = "/v1/models/aliases"


def test_an_alias_is_made_listed_changed_and_forgotten(door: Served, fleet: Fleet) -> None:
    made = door.client.put(f"{_PATH}/gpt/4o", json={"model": "echo", "system": "Be brief.", "parameters": {"seed": 1}})
    assert made.status_code == 200, made.text
    assert made.json()["model"] == "echo"
    again = door.client.put(f"{_PATH}/short", json={"model": "gpt/4o@studio", "context": 512}).json()
    assert (again["host"], again["system"], again["parameters"]) == ("studio", "Be brief.", {"seed": 1})
    assert [alias["name"] for alias in door.get(_PATH).json()["data"]] == ["gpt/4o", "short"]
    assert door.get("/v1/models/gpt/4o").json()["id"] == "echo"
    assert door.client.delete(f"{_PATH}/gpt/4o").json() == {"id": "gpt/4o", "object": "model_alias", "deleted": True}
    gone = door.client.delete(f"{_PATH}/shirt")
    assert (gone.status_code, gone.json()["error"]["details"]["nearest"]) == (404, ["short"])


def test_clients_find_aliases_among_the_models(door: Served, fleet: Fleet) -> None:
    door.client.put(f"{_PATH}/parrot", json={"model": "echo"})
    named = [(model["id"], model["alias_of"]) for model in door.get("/v1/models").json()["data"]]
    assert named == [("echo", None), ("parrot", "echo")]
    assert [model["id"] for model in door.get("/v1/models", params={"aliases": False}).json()["data"]] == ["echo"]
    anthropic = door.get("/v1/models", headers={"anthropic-version": "2023-06-01"}).json()["data"]
    assert {model["id"] for model in anthropic} == {"echo", "parrot"}


def test_an_alias_hides_no_model_and_removes_none(door: Served, fleet: Fleet) -> None:
    assert door.client.put(f"{_PATH}/Echo", json={"model": "echo"}).status_code == 409
    assert door.client.put(f"{_PATH}/x y", json={"model": "echo"}).status_code == 422
    assert door.client.put(f"{_PATH}/x", json={"model": "echoo"}).status_code == 404
    assert door.client.put(f"{_PATH}/x", json={"model": "echo", "parameters": {"model": "y"}}).status_code == 422
    assert door.client.put(f"{_PATH}/x", json={"model": "echo"}).status_code == 200
    refused = door.client.delete("/v1/models/x")
    assert (refused.status_code, "alias rm x" in refused.text) == (409, True)


def test_jobs_know_models_by_their_aliases(door: Served, fleet: Fleet) -> None:
    door.client.put(f"{_PATH}/parrot", json={"model": "echo"})
    job = door.post("/v1/jobs", {"kind": "inference", "params": {"model": "parrot", "prompt": "x"}})
    assert (job.status_code, job.json()["model"]) == (201, "echo")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}, 400),
        ("/v1/completions", {"prompt": "hi"}, 400),
        ("/v1/messages", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}, 400),
        ("/api/chat", {"messages": [{"role": "user", "content": "hi"}], "stream": False}, 400),
    ],
)
def test_who_names_no_model_is_answered_by_the_default(
    open_door: Opener, engine: str, path: str, body: dict[str, Any], status: int
) -> None:
    door = open_door(host_name="studio")
    fleet = Fleet(door, "studio")
    fleet.register()
    refused = door.post(path, body)
    assert (refused.status_code, "model is missing" in refused.text) == (status, True)
    fleet.ready_run(engine)
    door.client.put(f"{_PATH}/default", json={"model": "echo"})
    assert door.post(path, body).status_code == 200, path


def test_the_settings_name_a_default(open_door: Opener, engine: str) -> None:
    door = open_door(host_name="studio", default_model="echo:latest")
    fleet = Fleet(door, "studio")
    fleet.register()
    fleet.ready_run(engine)
    assert door.post("/api/generate", {"prompt": "hi", "stream": False}).json()["response"] == "hi"


def test_defaults_of_an_alias_reach_the_engine(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    door.client.put(f"{_PATH}/short", json={"model": "echo", "parameters": {"max_tokens": 1}})
    asked = {"messages": [{"role": "user", "content": "one two three"}]}
    said = door.post("/v1/chat/completions", {"model": "short", **asked}).json()
    assert (said["model"], said["choices"][0]["message"]["content"].split()) == ("short", ["one"])


def test_messages_of_an_alias_are_of_somebody(door: Served, fleet: Fleet) -> None:
    wrong = door.client.put(f"{_PATH}/ann", json={"model": "echo", "messages": [{"content": "hi"}]})
    assert (wrong.status_code, wrong.json()["error"]["details"]["field"]) == (422, "messages")
