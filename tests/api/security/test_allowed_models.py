"""A key that may use some models uses no other, whatever the client, and whatever it calls the model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.tables import Batch
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.security.test_scopes import key, upload
from tests.api.served import Served
from tests.e2e.batches import CHAT, chat
from tests.waiting import eventually

_SAY = [{"role": "user", "content": "x"}]
_USES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"messages": _SAY}),
    ("/v1/chat/completions", {"messages": _SAY, "stream": True}),
    ("/v1/completions", {"prompt": "x"}),
    ("/v1/embeddings", {"input": "x"}),
    ("/v1/responses", {"input": "x"}),
    ("/v1/responses/input_tokens", {"input": "x"}),
    ("/v1/messages", {"messages": _SAY, "max_tokens": 5}),
    ("/anthropic/v1/messages", {"messages": _SAY, "max_tokens": 5, "stream": True}),
    ("/v1/messages/count_tokens", {"messages": _SAY}),
    ("/anthropic/v1/messages/count_tokens", {"messages": _SAY}),
    ("/api/chat", {"messages": _SAY}),
    ("/api/chat", {"messages": []}),
    ("/api/chat", {"messages": [], "keep_alive": 0}),
    ("/api/generate", {"prompt": "x"}),
    ("/api/generate", {"keep_alive": 0}),
    ("/api/generate", {"keep_alive": -1}),
    ("/api/embed", {"input": "x"}),
    ("/api/embeddings", {"prompt": "x"}),
    ("/v1/runs", {}),
]
_JOBS: list[tuple[str, dict[str, Any]]] = [
    ("inference", {"prompt": "x"}),
    ("inference", {"requests": [{"prompt": "x", "model": "permitted"}]}),
    ("benchmark", {"models": ["echo"]}),
]


@pytest.fixture
def door(open_door: Opener) -> Served:
    return open_door(host_name="studio", default_model="echo")


@pytest.fixture
def ready(door: Served, fleet: Fleet, engine: str) -> Served:
    """The model echo, ready to answer everybody who may ask it."""
    for capability in ("generate", "embed", "transcribe"):
        fleet.ready_run(engine, capability=capability)
    assert door.client.put("/v1/models/aliases/nickname", json={"model": "echo"}).status_code == 200
    return door


@pytest.mark.parametrize("name", ["echo", "nickname", "echo@studio", "echo:latest", "default"])
def test_a_model_that_a_key_may_not_use_is_used_by_no_route(ready: Served, name: str) -> None:
    before, mine = ready.get("/v1/runs").json()["data"], key(ready, models=["permitted"])
    answers = {f"{path} {body}": ready.post(path, {**body, "model": name}, headers=mine) for path, body in _USES}
    # The default is a gateway's word: who starts a run names its model.
    refused = (403, 422) if name == "default" else (403,)
    assert {asked: answer.text for asked, answer in answers.items() if answer.status_code not in refused} == {}
    assert ready.get("/v1/runs").json()["data"] == before


def test_a_job_uses_no_model_that_its_key_may_not(ready: Served) -> None:
    mine = key(ready, models=["permitted"])
    for kind, params in _JOBS:
        named = params if "models" in params else params | {"model": "echo"}
        assert ready.post("/v1/jobs", {"kind": kind, "params": named}, headers=mine).status_code == 403, kind
        bulk = {"jobs": [{"kind": kind, "params": named}]}
        assert ready.post("/v1/jobs/bulk", bulk, headers=mine).status_code == 403, kind
    assert ready.get("/v1/jobs").json()["data"] == []


@pytest.mark.parametrize("name", ["echo", "nickname"])
@pytest.mark.parametrize("path", ["/v1/models/{}", "/v1/models/fit?model={}"])
def test_nothing_is_told_of_a_model_that_a_key_may_not_use(ready: Served, path: str, name: str) -> None:
    answers = [ready.get(path.format(name), headers=key(ready, models=[may])) for may in ("permitted", "echo")]
    assert [answer.status_code for answer in answers] == [403, 200]


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/audio/translations"])
def test_a_recording_is_heard_by_no_model_that_its_key_may_not_use(ready: Served, path: str) -> None:
    sent = {"data": {"model": "echo"}, "files": {"file": ("a.wav", b"RIFF")}}
    assert ready.client.post(path, **sent, headers=key(ready, models=["permitted"])).status_code == 403  # type: ignore[arg-type]


def test_a_model_that_a_key_may_use_is_used(ready: Served) -> None:
    mine = key(ready, models=["echo"])
    answers = {f"{path} {body}": ready.post(path, {**body, "model": "nickname"}, headers=mine) for path, body in _USES}
    assert {asked: answer.text for asked, answer in answers.items() if answer.status_code not in (200, 201)} == {}


_NAMES = [("nickname", "nickname"), ("echo", "nickname"), ("echo:latest", "echo:latest"), ("default", "default")]


@pytest.mark.parametrize(("allowed", "called"), _NAMES)
def test_what_a_key_may_ask_at_once_it_may_submit(ready: Served, allowed: str, called: str) -> None:
    mine = key(ready, models=[allowed])
    job = {"kind": "inference", "params": {"model": called, "prompt": "x"}}
    asked: list[tuple[str, Any]] = [("/v1/jobs", job), ("/v1/jobs/bulk", {"jobs": [job]})]
    if called == "nickname":
        # Of all names only aliases are known to schedules and benchmarks.
        asked.append(("/v1/jobs", {"kind": "benchmark", "params": {"models": [called]}}))
        asked.append(("/v1/schedules", {"name": "nightly", "cron": "0 3 * * *", "job": job}))
        asked.append(("/v1/schedules/nightly/run", None))
    for path, body in asked:
        answer = ready.post(path, body, headers=mine)
        assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(("allowed", "called"), _NAMES)
def test_what_a_key_may_ask_at_once_its_batches_may_ask(ready: Served, allowed: str, called: str) -> None:
    mine = key(ready, models=[allowed])
    file = upload(ready, mine, json.dumps(chat("a", model=called)).encode())
    made = ready.post("/v1/batches", {"input_file_id": file, "endpoint": CHAT}, headers=mine).json()["id"]
    params = {"model": called, "max_tokens": 5, "messages": _SAY}
    asked = {"requests": [{"custom_id": "a", "params": params}]}
    messages = ready.post("/v1/messages/batches", asked, headers=mine).json()["id"]
    eventually(lambda: _begun(ready, made) and _begun(ready, messages))


def test_who_may_use_an_alias_only_submits_nothing_by_the_name_of_its_model(ready: Served) -> None:
    mine = key(ready, models=["nickname"])
    for kind, params in (("inference", {"model": "echo", "prompt": "x"}), ("benchmark", {"models": ["echo"]})):
        assert ready.post("/v1/jobs", {"kind": kind, "params": params}, headers=mine).status_code == 403, kind


def _begun(door: Served, batch: str) -> bool:
    """Has its line become a job? Fails when it never will."""
    with door.database.read() as session:
        row = session.get_one(Batch, batch)
    assert not row.errors, row.errors
    return row.state == "in_progress"
