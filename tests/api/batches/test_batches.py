"""Batches as their clients see them while nobody works on them."""

from __future__ import annotations

import json
from typing import Any

from tests.api.served import Served
from tests.e2e.batches import CHAT, chat
from tests.waiting import eventually


def create(door: Served, lines: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    file = door.client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", text)}).json()
    answer = door.post("/v1/batches", {"input_file_id": file["id"], "endpoint": CHAT, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def until(door: Served, batch: dict[str, Any], status: str) -> dict[str, Any]:
    eventually(lambda: door.get(f"/v1/batches/{batch['id']}").json()["status"] == status)
    return dict(door.get(f"/v1/batches/{batch['id']}").json())


def errors(door: Served, batch: dict[str, Any]) -> list[dict[str, Any]]:
    text = door.get(f"/v1/files/{batch['error_file_id']}/content").text
    return [json.loads(line) for line in text.splitlines()]


def test_an_id_that_comes_twice_fails_the_batch_with_its_line(door: Served) -> None:
    failed = until(door, create(door, [chat("a"), chat("b"), chat("a")]), "failed")
    assert [(each["line"], each["code"]) for each in failed["errors"]["data"]] == [(3, "duplicate_custom_id")]
    assert failed["job_ids"] == []


def test_a_big_batch_becomes_jobs_that_a_fleet_can_share(door: Served) -> None:
    begun = until(door, create(door, [chat(f"{n}") for n in range(320)]), "in_progress")
    assert (len(begun["job_ids"]), begun["request_counts"]["total"]) == (16, 320)


def test_a_cancelled_batch_tells_every_line_that_was_not_answered(door: Served) -> None:
    begun = until(door, create(door, [chat("a"), chat("b")]), "in_progress")
    assert door.post(f"/v1/batches/{begun['id']}/cancel").json()["status"] == "cancelling"
    ended = until(door, begun, "cancelled")
    assert {line["custom_id"]: line["error"]["code"] for line in errors(door, ended)} == {
        "a": "batch_cancelled", "b": "batch_cancelled",
    }  # fmt: skip
    again = door.post(f"/v1/batches/{begun['id']}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")


def test_a_batch_that_is_out_of_time_expires(door: Served) -> None:
    ended = until(door, create(door, [chat("a")], completion_window="1s"), "expired")
    assert [line["error"]["code"] for line in errors(door, ended)] == ["batch_expired"]
    assert ended["request_counts"] == {"total": 1, "completed": 0, "failed": 1}


def test_batches_are_listed_to_an_end(door: Served) -> None:
    made = [create(door, [chat("a")])["id"] for _ in range(3)]
    page = door.get("/v1/batches", params={"limit": 2}).json()
    assert ([each["id"] for each in page["data"]], page["has_more"]) == ([made[2], made[1]], True)
    rest = door.get("/v1/batches", params={"after": page["last_id"]}).json()
    assert ([each["id"] for each in rest["data"]], rest["has_more"]) == ([made[0]], False)


def test_a_message_batch_has_a_result_for_every_request(door: Served) -> None:
    params = {"model": "echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    wanted = [{"custom_id": "a", "params": params}, {"custom_id": "b", "params": {"model": "echo"}}]
    made = door.post("/v1/messages/batches", {"requests": wanted}).json()
    assert (made["type"], made["processing_status"]) == ("message_batch", "in_progress")
    path = f"/v1/messages/batches/{made['id']}"
    assert door.get(path + "/results").json()["type"] == "error"
    assert door.post(path + "/cancel").json()["processing_status"] == "canceling"
    eventually(lambda: door.get(path).json()["processing_status"] == "ended")
    ended = door.get(path).json()
    assert ended["results_url"] == f"{door.url}{path}/results"


def test_requests_that_share_an_id_are_refused_at_once(door: Served) -> None:
    answer = door.post("/v1/messages/batches", {"requests": [{"custom_id": "a", "params": {}}] * 2})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
