"""A key that may use some models uses no other, whatever the client, and whatever it calls the model."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.security.test_scopes import key
from tests.api.served import Served

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


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/audio/translations"])
def test_a_recording_is_heard_by_no_model_that_its_key_may_not_use(ready: Served, path: str) -> None:
    sent = {"data": {"model": "echo"}, "files": {"file": ("a.wav", b"RIFF")}}
    assert ready.client.post(path, **sent, headers=key(ready, models=["permitted"])).status_code == 403  # type: ignore[arg-type]


def test_a_model_that_a_key_may_use_is_used(ready: Served) -> None:
    mine = key(ready, models=["echo"])
    answers = {f"{path} {body}": ready.post(path, {**body, "model": "nickname"}, headers=mine) for path, body in _USES}
    assert {asked: answer.text for asked, answer in answers.items() if answer.status_code not in (200, 201)} == {}
