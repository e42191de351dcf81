"""Answers that cannot be told as they were asked for fail in their line, and not with their batch."""

from __future__ import annotations

import json
from typing import Any

from tests.api.batches.test_batches import create, errors, until
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.waiting import eventually

_EMBED = "/v1/embeddings"


def test_a_vector_shorter_than_was_asked_for_fails_alone(open_door: Opener) -> None:
    door = open_door(host_name="studio")
    made = create(door, [_embed("a", 2), _embed("b", 3)], endpoint=_EMBED)
    until(door, made, "in_progress")
    vector = {"data": [{"index": 0, "embedding": [0.6, 0.8]}]}
    _answer(door, "embed", vector, vector)
    ended = until(door, made, "completed")
    assert ended["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    [failed] = errors(door, ended)
    assert (failed["custom_id"], failed["response"]["status_code"]) == ("b", 400)
    assert "2 numbers" in failed["response"]["body"]["error"]["message"]


def test_an_answer_that_nobody_can_read_fails_alone(open_door: Opener) -> None:
    door = open_door(host_name="studio")
    made = create(door, [_embed("a", 2), _embed("b", 2)], endpoint=_EMBED)
    until(door, made, "in_progress")
    _answer(door, "embed", {"data": [{"index": 0, "embedding": [0.6, 0.8]}]}, {"data": [{"index": 0}]})
    [failed] = errors(door, until(door, made, "completed"))
    assert (failed["custom_id"], failed["response"]["status_code"]) == ("b", 500)


def test_half_a_character_in_a_call_ends_no_batch(open_door: Opener) -> None:
    door = open_door(host_name="studio")
    params = {"model": "echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    made = door.post("/v1/messages/batches", {"requests": [{"custom_id": "a", "params": params}]}).json()["id"]
    eventually(lambda: bool(door.get("/v1/jobs").json()["data"]))
    call = {"id": "call_1", "function": {"name": "f", "arguments": '{"text": "\\ud83d"}'}}
    _answer(door, "generate", {"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]})
    path = f"/v1/messages/batches/{made}"
    eventually(lambda: door.get(path).json()["processing_status"] == "ended")
    told = json.loads(door.get(path + "/results").text)["result"]
    assert (told["type"], told["message"]["content"][0]["input"]) == ("succeeded", {"text": "?"})


def _embed(custom_id: str, dimensions: int) -> dict[str, Any]:
    body = {"model": "echo", "input": "hi", "dimensions": dimensions}
    return {"custom_id": custom_id, "method": "POST", "url": _EMBED, "body": body}


def _answer(door: Served, capability: str, *responses: dict[str, Any]) -> None:
    """What an engine said to each line of the only job."""
    fleet = Fleet(door, "studio")
    fleet.register()
    ref = fleet.assign(door.get("/v1/jobs").json()["data"][0]["id"], fleet.ready_run(capability=capability).run_id)
    assert fleet.claim(ref)
    kept = [{"response": said, "usage": {}, "seconds": 0.5} for said in responses]
    fleet.keep(ref, *({"index": index, "data": data} for index, data in enumerate(kept)))
    fleet.finish(ref, result={"items": len(kept)})
