"""Requests of Ollama's clients that load and unload, and what they embed."""

from __future__ import annotations

import threading
from typing import Any

import httpx2
import pytest

from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.waiting import eventually

_ASKING: dict[str, dict[str, Any]] = {
    "/api/generate": {"prompt": "hi"},
    "/api/chat": {"messages": [{"role": "user", "content": "hi"}]},
}


def keep_alive(door: Served) -> float:
    """Of the one run that is ready."""
    [run] = door.get("/v1/runs", params={"state": "ready"}).json()["data"]
    return float(run["keep_alive"])


@pytest.mark.parametrize(
    ("path", "empty"),
    [("/api/generate", {"response": ""}), ("/api/chat", {"message": {"role": "assistant", "content": ""}})],
)
def test_nothing_asked_loads_the_model(
    door: Served, fleet: Fleet, engine: str, path: str, empty: dict[str, Any]
) -> None:
    got: list[httpx2.Response] = []
    thread = threading.Thread(target=lambda: got.append(door.post(path, {"model": "echo", "keep_alive": "10m"})))
    thread.start()
    eventually(lambda: door.get("/v1/runs").json()["data"])
    fleet.make_ready(door.get("/v1/runs").json()["data"][0]["id"], engine)
    thread.join()
    said = got[0].json()
    assert {key: said[key] for key in empty} == empty
    assert (said["done"], said["done_reason"]) == (True, "load")
    assert keep_alive(door) == 600


@pytest.mark.parametrize("path", _ASKING)
def test_a_keep_alive_of_nothing_unloads_after_the_answer(door: Served, fleet: Fleet, engine: str, path: str) -> None:
    fleet.ready_run(engine)
    asked = {"model": "echo", "stream": False, "keep_alive": 0, **_ASKING[path]}
    assert door.post(path, asked).json()["done_reason"] == "stop"
    assert keep_alive(door) == 0


def test_nothing_asked_and_nothing_kept_unloads(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    said = door.post("/api/generate", {"model": "echo", "keep_alive": 0}).json()
    assert (said["response"], said["done_reason"]) == ("", "unload")
    assert keep_alive(door) == 0


def test_a_longer_stay_is_kept_and_none_changes_nothing(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    for said, kept in [("2h", 7200.0), (None, 7200.0), (-1, -1.0)]:
        more = {} if said is None else {"keep_alive": said}
        door.post("/api/chat", {"model": "echo", "stream": False, **_ASKING["/api/chat"], **more})
        assert keep_alive(door) == kept


def test_a_stay_is_written_though_the_run_had_it_a_moment_ago(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine, spec={"keep_alive": 300})
    for said in (300, -1, 300, 0, 300):
        door.post("/api/generate", {"model": "echo", "stream": False, "keep_alive": said})
    assert keep_alive(door) == 300


@pytest.mark.parametrize("path", _ASKING)
def test_older_clients_write_name_for_the_model(door: Served, fleet: Fleet, engine: str, path: str) -> None:
    fleet.ready_run(engine)
    said = door.post(path, {"name": "echo", "stream": False, **_ASKING[path]}).json()
    assert (said.get("model"), said.get("done_reason")) == ("echo", "stop"), said


@pytest.mark.parametrize("path", ["/api/embed", "/api/embeddings"])
def test_embedding_keeps_the_model_as_long_as_is_asked(door: Served, fleet: Fleet, engine: str, path: str) -> None:
    fleet.ready_run(engine, capability="embed")
    assert door.post(path, {"model": "echo", "input": "a", "prompt": "a", "keep_alive": "2h"}).status_code == 200
    assert keep_alive(door) == 7200


def test_texts_are_embedded_in_order(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine, capability="embed")
    several = door.post("/api/embed", {"model": "echo", "input": ["a", "b"]}).json()
    single = door.post("/api/embed", {"model": "echo", "input": "b"}).json()
    assert several["embeddings"][1] == single["embeddings"][0] != several["embeddings"][0]
    assert (several["model"], several["prompt_eval_count"] > 0) == ("echo", True)
    assert isinstance(several["total_duration"], int)
    older = door.post("/api/embeddings", {"model": "echo", "prompt": "b"}).json()
    assert older == {"embedding": single["embeddings"][0]}


def test_nothing_to_embed_has_no_vector(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine, capability="embed")
    assert door.post("/api/embed", {"model": "echo", "input": []}).json()["embeddings"] == []
    assert door.post("/api/embeddings", {"model": "echo", "prompt": ""}).json()["embedding"] == []
    wrong = door.post("/api/embed", {"model": "echo", "input": [1, 2]})
    assert (wrong.status_code, set(wrong.json())) == (400, {"error"})


def test_a_form_for_a_content_type_is_read_as_json(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    for kind in ({"content-type": "application/x-www-form-urlencoded"}, {}):
        body = b'{"model": "echo", "prompt": "hi", "stream": false}'
        answer = door.client.post("/api/generate", content=body, headers=kind)
        assert answer.json()["response"] == "hi"
