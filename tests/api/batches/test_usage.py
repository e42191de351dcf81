"""What batches used is counted once, whatever becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from api import meter
from tests.api.batches.test_batches import create, until
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.gateway.test_charge import answered
from tests.e2e.batches import chat
from tests.waiting import eventually


def test_a_batch_that_is_deleted_at_once_is_counted_once(open_door: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "_WRITE", 3600.0)
    door = open_door(host_name="studio")
    fleet = Fleet(door, "studio")
    fleet.register()
    params = {"model": "echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    made = door.post("/v1/messages/batches", {"requests": [{"custom_id": "a", "params": params}]}).json()["id"]
    eventually(lambda: bool(door.get("/v1/jobs").json()["data"]))
    ref = fleet.assign(door.get("/v1/jobs").json()["data"][0]["id"], fleet.ready_run().run_id)
    assert fleet.claim(ref)
    fleet.keep(ref, answered(0, prompt=7, cached=0, completion=2))
    fleet.finish(ref, result={"items": 1, "prompt_tokens": 7, "completion_tokens": 2, "seconds": 0.5})
    path = f"/v1/messages/batches/{made}"
    eventually(lambda: door.get(path).json()["processing_status"] == "ended")
    assert door.client.delete(path).status_code == 200
    door.parts.meter.write()
    [row] = door.get("/v1/usage").json()["data"]
    assert (row["requests"], row["prompt"], row["completion"]) == (1, 7, 2)


def test_an_answer_with_a_null_in_it_is_counted_and_told(open_door: Opener) -> None:
    door = open_door(host_name="studio")
    fleet = Fleet(door, "studio")
    fleet.register()
    made = create(door, [chat("a"), chat("b"), chat("c")])
    eventually(lambda: bool(door.get("/v1/jobs").json()["data"]))
    job = door.get("/v1/jobs").json()["data"][0]["id"]
    ref = fleet.assign(job, fleet.ready_run().run_id)
    assert fleet.claim(ref)
    fleet.keep(ref, _said(answered(0, prompt=7, cached=0, completion=2), "a\0b"))
    fleet.keep(ref, _said(answered(1, prompt=7, cached=0, completion=2), "half"))
    assert door.get(f"/v1/batches/{made['id']}").json()["request_counts"] == {"total": 3, "completed": 2, "failed": 0}
    fleet.keep(ref, {"index": 2, "data": {"error": {"code": "x", "what": "no\0", "why": "", "fix": ""}}})
    assert door.get(f"/v1/batches/{made['id']}").json()["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    fleet.finish(ref, result={"items": 3, "prompt_tokens": 14, "completion_tokens": 4, "seconds": 0.5})
    ended = until(door, made, "completed")
    door.parts.meter.write()
    [row] = door.get("/v1/usage").json()["data"]
    assert (row["requests"], row["prompt"], row["completion"]) == (2, 14, 4)
    assert len(door.get(f"/v1/files/{ended['output_file_id']}/content").text.splitlines()) == 2


def _said(item: dict[str, Any], text: str) -> dict[str, Any]:
    """The answer with this text."""
    return item | {"data": item["data"] | {"response": {"text": text}}}
