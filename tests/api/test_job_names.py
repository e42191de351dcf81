"""Jobs may call their model as the gateway's clients do: by alias, by tag, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served

_ALIAS = {"model": "echo@studio", "parameters": {"seed": 1, "temperature": 0.5}}


def submitted(door: Served, **params: Any) -> dict[str, Any]:
    answer = door.post("/v1/jobs", {"kind": "inference", "params": {"prompt": "hi", **params}})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_job_by_alias_has_its_model_host_and_defaults(door: Served, fleet: Fleet) -> None:
    assert door.client.put("/v1/models/aliases/short", json=_ALIAS).status_code == 200
    job = submitted(door, model="short", defaults={"seed": 2})
    assert (job["model"], job["params"]["model"], job["params"]["host"]) == ("echo", "echo", "studio")
    assert job["params"]["defaults"] == {"seed": 2, "temperature": 0.5}


def test_a_job_by_alias_is_instructed_and_loaded_as_a_chat_would_be(door: Served, fleet: Fleet) -> None:
    told = {"model": "echo", "system": "Be brief.", "context": 2048}
    assert door.client.put("/v1/models/aliases/brief", json=told).status_code == 200
    system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}
    params = submitted(door, model="brief")["params"]
    assert (params["requests"], params["spec"]) == ([{"messages": [system, user]}], {"context": 2048})
    own = {"role": "system", "content": "Be long."}
    bodies = [{"messages": [user]}, {"messages": [own, user]}, {"body": {"messages": [user]}, "custom_id": "a"}]
    answer = door.post(
        "/v1/jobs", {"kind": "inference", "params": {"model": "brief", "requests": bodies, "spec": {"context": 512}}}
    )
    params = answer.json()["params"]
    assert [each.get("body", each)["messages"][0] for each in params["requests"]] == [system, own, system]
    assert params["spec"] == {"context": 512}


def test_a_job_by_alias_goes_on_from_its_talk(door: Served, fleet: Fleet) -> None:
    talk = [{"role": "user", "content": "I am Ann."}, {"role": "assistant", "content": "Hello, Ann."}]
    assert door.client.put("/v1/models/aliases/ann", json={"model": "echo", "messages": talk}).status_code == 200
    params = submitted(door, model="ann")["params"]
    assert params["requests"] == [{"messages": [*talk, {"role": "user", "content": "hi"}]}]
    assert not params.get("defaults")


def test_chats_of_a_file_by_alias_begin_as_its_chats_do(door: Served, fleet: Fleet) -> None:
    talk = [{"role": "user", "content": "I am Ann."}, {"role": "assistant", "content": "Hello, Ann."}]
    told = {"model": "echo", "system": "Be brief.", "messages": talk, "parameters": {"seed": 1}}
    assert door.client.put("/v1/models/aliases/ann", json=told).status_code == 200
    file = door.client.post("/v1/files", files={"file": ("in.jsonl", b'{"messages": []}')}).json()["id"]
    wanted = {"kind": "inference", "params": {"model": "ann", "file": file}}
    params = door.post("/v1/jobs", wanted).json()["params"]
    assert params["opening"] == {"system": "Be brief.", "messages": talk}
    assert params["defaults"] == {"seed": 1}
    own = {**wanted, "params": {**wanted["params"], "opening": {"system": "Be long."}}}
    assert door.post("/v1/jobs", own).json()["params"]["opening"] == {"system": "Be long."}


@pytest.mark.parametrize("name", ["echo:latest", "ECHO:latest"])
def test_a_job_may_use_any_name_that_a_chat_may(door: Served, fleet: Fleet, name: str) -> None:
    assert submitted(door, model=name)["model"] == "echo"


def test_a_job_that_names_no_model_is_for_the_default(open_door: Opener) -> None:
    door = open_door(host_name="studio", default_model="echo")
    Fleet(door, "studio").register()
    assert submitted(door)["model"] == submitted(door, model="default")["model"] == "echo"


def test_a_name_that_nobody_knows_is_told_with_the_nearest(door: Served, fleet: Fleet) -> None:
    answer = door.post("/v1/jobs", {"kind": "inference", "params": {"model": "ecko", "prompt": "hi"}})
    assert (answer.status_code, answer.json()["error"]["details"]["nearest"]) == (404, ["echo"])
    missing = door.post("/v1/jobs", {"kind": "inference", "params": {"prompt": "hi"}})
    assert (missing.status_code, missing.json()["error"]["details"]["field"]) == (422, "params.model")
