"""What batches used is counted once, whatever becomes of them."""

from __future__ import annotations

import pytest

from api import meter
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.gateway.test_charge import answered
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
