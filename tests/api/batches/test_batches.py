"""Batches as their clients see them while nobody works on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from api.batches import rows
from api.batches.collect import collect
from shared.errors import Unavailable
from shared.tables import Batch, File, Job
from shared.vocabulary import JobState
from tests.api.fleet import Fleet
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


def test_a_batch_that_is_cancelled_before_it_is_begun_tells_all_its_lines(door: Served) -> None:
    text = "\n".join([json.dumps(chat("a")), "no JSON", json.dumps(chat("b"))]).encode()
    file = door.client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", text)}).json()["id"]
    with door.database.write() as session:
        batch = rows.add(session, "openai", CHAT, file, owner="", window="24h", seconds=86400.0, details={})
        rows.cancel(session, batch.id, "openai")
        told = {"id": batch.id}
    ended = until(door, told, "cancelled")
    assert [line["custom_id"] for line in errors(door, ended)] == ["a", None, "b"]
    assert ended["request_counts"] == {"total": 3, "completed": 0, "failed": 3}


def test_a_file_that_a_batch_depends_on_stays_until_it_is_over(door: Served) -> None:
    begun = until(door, create(door, [chat("a")]), "in_progress")
    assert {each["purpose"] for each in door.get("/v1/files").json()["data"]} == {"batch"}, "its own are not shown"
    [part] = door.get("/v1/files", params={"purpose": "batch_part"}).json()["data"]
    refused = door.client.delete(f"/v1/files/{part['id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert door.client.delete(f"/v1/files/{begun['input_file_id']}").status_code == 200, "it has been read"
    door.post(f"/v1/batches/{begun['id']}/cancel")
    assert len(errors(door, until(door, begun, "cancelled"))) == 1
    assert door.client.delete(f"/v1/files/{part['id']}").status_code == 200


def test_a_batch_that_is_out_of_time_expires(door: Served) -> None:
    ended = until(door, create(door, [chat("a")], completion_window="1s"), "expired")
    assert [line["error"]["code"] for line in errors(door, ended)] == ["batch_expired"]
    assert ended["request_counts"] == {"total": 1, "completed": 0, "failed": 1}


def test_a_batch_whose_time_ends_before_it_is_begun_expires_too(door: Served) -> None:
    line = json.dumps(chat("a")).encode()
    file = door.client.post("/v1/files", files={"file": ("in.jsonl", line)}).json()["id"]
    with door.database.write() as session:
        batch = rows.add(session, "openai", CHAT, file, owner="", window="1s", seconds=-1.0, details={}).id
    ended = until(door, {"id": batch}, "expired")
    assert [line["error"]["code"] for line in errors(door, ended)] == ["batch_expired"]


def test_a_batch_that_nobody_can_read_holds_up_no_other(door: Served) -> None:
    with door.database.write() as session:
        none = rows.add(session, "openai", CHAT, "file_gone", owner="", window="1d", seconds=86400.0, details={})
        none.dialect = "of nobody"
        odd = rows.add(session, "openai", "/v1/none", "file_gone", owner="", window="1d", seconds=86400.0, details={})
        odd.state, odd.parts = "in_progress", [{"nobody": "knows"}]
    until(door, create(door, [chat("a")]), "in_progress")


def test_lines_whose_jobs_ran_out_of_time_expire_with_their_batch(door: Served) -> None:
    begun = until(door, create(door, [chat("a"), chat("b")]), "in_progress")
    late = {"code": "deadline_passed", "what": "It was not done in time", "why": "", "fix": ""}
    with door.database.write() as session:
        session.execute(update(Job).values(state=JobState.FAILED, error=late))
        session.get_one(Batch, begun["id"]).expires_at = 1.0
    ended = until(door, begun, "expired")
    assert {line["custom_id"]: line["error"]["code"] for line in errors(door, ended)} == {
        "a": "batch_expired", "b": "batch_expired",
    }  # fmt: skip


def test_the_jobs_of_a_batch_ask_what_the_alias_says_of_them(door: Served, fleet: Fleet) -> None:
    named = door.client.put("/v1/models/aliases/near", json={"model": "echo@studio", "context": 64})
    assert named.status_code == 200, named.text
    begun = until(door, create(door, [chat("a", model="near")]), "in_progress")
    job = door.get(f"/v1/jobs/{begun['job_ids'][0]}").json()
    assert (job["params"]["model"], job["params"]["host"], job["params"]["spec"]) == ("echo", "studio", {"context": 64})
    assert (job["priority"], job["labels"]) == ("batch", {"batch": begun["id"]})


def test_a_line_that_is_no_post_is_refused(door: Served) -> None:
    failed = until(door, create(door, [{**chat("a"), "method": "GET"}]), "failed")
    [why] = failed["errors"]["data"]
    assert (why["line"], why["code"]) == (1, "invalid_parameters")
    assert "method is wrong" in why["message"]


_MOST = {f"{number:064}": "x" * 512 for number in range(16)}


def test_a_batch_keeps_what_it_may_be_told(door: Served) -> None:
    made = create(door, [chat("a")], completion_window="30d", metadata=_MOST)
    assert (made["completion_window"], made["metadata"]) == ("30d", _MOST)
    assert made["expires_at"] - made["created_at"] == 30 * 86400


@pytest.mark.parametrize(
    "wrong",
    [
        *({"completion_window": text} for text in ("31d", "0s", "-1h", "soon", "0" * 20 + "9s")),
        *({"metadata": given} for given in (_MOST | {"one": "more"}, {"a" * 65: "x"}, {"a": "b" * 513}, {"a": 5})),
    ],
    ids=lambda wrong: str(wrong)[:30],
)
def test_what_a_batch_may_not_be_told_is_explained(door: Served, wrong: dict[str, Any]) -> None:
    file = door.client.post("/v1/files", files={"file": ("in.jsonl", b"{}")}).json()["id"]
    refused = door.post("/v1/batches", {"input_file_id": file, "endpoint": CHAT, **wrong})
    assert refused.status_code == 400, refused.text
    assert (refused.json()["error"]["type"], refused.json()["error"]["param"]) == ("invalid_request_error", *wrong)


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


def test_a_message_batch_that_is_over_is_deleted_with_all_that_it_asked(door: Served) -> None:
    params = {"model": "echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    wanted = [{"custom_id": "a", "params": params}, {"custom_id": "b", "params": {"model": "echo"}}]
    path = f"/v1/messages/batches/{door.post('/v1/messages/batches', {'requests': wanted}).json()['id']}"
    early = door.client.delete(path)
    assert (early.status_code, early.json()["error"]["type"]) == (409, "invalid_request_error")
    door.post(path + "/cancel")
    eventually(lambda: door.get(path).json()["processing_status"] == "ended")
    assert len(door.get(path + "/results").text.splitlines()) == 2
    assert door.client.delete(path).json() == {"id": path.rpartition("/")[2], "type": "message_batch_deleted"}
    assert [door.get(gone).status_code for gone in (path, path + "/results")] == [404, 404]
    for purpose in ("batch", "batch_part", "batch_output"):
        assert door.get("/v1/files", params={"purpose": purpose}).json()["data"] == []


def test_a_message_batch_that_is_refused_as_a_whole_says_why_in_every_result(door: Served) -> None:
    ended = until_ended(door, of_a_revoked_key(door, "a", "b"))
    assert ended["request_counts"] == {"processing": 0, "succeeded": 0, "errored": 2, "canceled": 0, "expired": 0}
    told = [json.loads(line) for line in door.get(ended["results_url"]).text.splitlines()]
    assert [(each["custom_id"], each["result"]["type"]) for each in told] == [("a", "errored"), ("b", "errored")]
    assert "key_gone was revoked" in told[1]["result"]["error"]["error"]["message"]


def test_a_message_batch_whose_requests_are_gone_ends_with_all_of_them_errored(door: Served) -> None:
    file = without_bytes(door)
    with door.database.write() as session:
        batch = message_batch(session, file, 2)
    ended = until_ended(door, batch)
    assert ended["request_counts"] == {"processing": 0, "succeeded": 0, "errored": 2, "canceled": 0, "expired": 0}
    assert door.get(ended["results_url"]).text == ""


def test_lines_whose_bytes_are_gone_fail_their_batch_which_says_so(door: Served) -> None:
    lines = [*(chat(f"{n}") for n in range(17)), chat("unknown", model="no-such-model")]
    begun = until(door, create(door, lines), "in_progress")
    parts = door.get("/v1/files", params={"purpose": "batch_part"}).json()["data"]
    [first] = [part for part in parts if part["filename"] == f"{begun['id']}-1.jsonl"]
    door.parts.store.remove(first["id"])
    door.post(f"/v1/batches/{begun['id']}/cancel")
    failed = until(door, begun, "failed")
    [why] = failed["errors"]["data"]
    assert why["code"] == "not_found"
    assert f"The bytes of file {first['id']} are gone" in why["message"]
    assert failed["request_counts"] == {"total": 18, "completed": 0, "failed": 18}
    assert {line["custom_id"] for line in errors(door, failed)} == {"16", "unknown"}


def test_a_batch_waits_for_a_file_store_that_is_away(door: Served) -> None:
    begun = until(door, create(door, [chat("a")]), "in_progress")
    store = Path(door.parts.store.path(begun["input_file_id"])).parents[1]
    away = store.rename(store.with_name("away"))
    door.post(f"/v1/batches/{begun['id']}/cancel")
    with door.database.read() as session:
        row = session.get_one(Batch, begun["id"])
    with pytest.raises(Unavailable):
        collect(door.parts, row)
    assert door.get(f"/v1/batches/{begun['id']}").json()["status"] == "cancelling"
    away.rename(store)
    assert [line["custom_id"] for line in errors(door, until(door, begun, "cancelled"))] == ["a"]


def test_a_batch_without_its_bytes_that_is_cancelled_before_it_is_begun_ends(door: Served) -> None:
    file = without_bytes(door)
    with door.database.write() as session:
        batch = message_batch(session, file, 2)
        rows.cancel(session, batch, "anthropic")
    counts = until_ended(door, batch)["request_counts"]
    assert counts == {"processing": 0, "succeeded": 0, "errored": 2, "canceled": 0, "expired": 0}


def without_bytes(door: Served) -> str:
    """A file whose bytes somebody has removed."""
    file = door.client.post("/v1/files", files={"file": ("in.jsonl", b"{}")}).json()["id"]
    door.parts.store.remove(file)
    return str(file)


def of_a_revoked_key(door: Served, *custom_ids: str) -> str:
    """A message batch that nobody may begin any more."""
    text = "".join(json.dumps({"custom_id": custom_id, "params": {}}) + "\n" for custom_id in custom_ids).encode()
    file = door.client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", text)}).json()["id"]
    with door.database.write() as session:
        return message_batch(session, file, len(custom_ids), owner="key_gone")


def message_batch(session: Session, file: str, total: int, owner: str = "") -> str:
    row = rows.add(session, "anthropic", "/v1/messages", file, owner=owner, window="24h", seconds=86400.0, details={})
    row.total = total
    session.flush()
    return row.id


def until_ended(door: Served, batch: str) -> dict[str, Any]:
    path = f"/v1/messages/batches/{batch}"
    eventually(lambda: door.get(path).json()["processing_status"] == "ended")
    return dict(door.get(path).json())


@pytest.mark.parametrize(
    ("second", "place"),
    [
        ({"custom_id": "a", "params": {}}, "requests.1.custom_id"),
        ({"custom_id": "", "params": {}}, "requests.1.custom_id"),
        ({"custom_id": "a b!", "params": {}}, "requests.1.custom_id"),
        ({"custom_id": "b\n", "params": {}}, "requests.1.custom_id"),
        ({"custom_id": "b" * 65, "params": {}}, "requests.1.custom_id"),
        ({"custom_id": 5, "params": {}}, "requests.1.custom_id"),
        ({"params": {}}, "requests.1.custom_id"),
        ({"custom_id": "b"}, "requests.1"),
        ({"custom_id": "b", "params": "x"}, "requests.1"),
        (5, "requests.1"),
    ],
)
def test_requests_whose_results_could_not_be_told_are_refused_at_once(door: Served, second: object, place: str) -> None:
    answer = door.post("/v1/messages/batches", {"requests": [{"custom_id": "a", "params": {}}, second]})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert answer.json()["error"]["message"].startswith(f"{place} is wrong: ")


def test_the_files_that_a_batch_writes_expire_when_they_shall(door: Served) -> None:
    kept = {"anchor": "created_at", "seconds": 7200}
    begun = until(door, create(door, [chat("a")], output_expires_after=kept), "in_progress")
    door.post(f"/v1/batches/{begun['id']}/cancel")
    ended = until(door, begun, "cancelled")
    file = door.get(f"/v1/files/{ended['error_file_id']}").json()
    assert file["expires_at"] == file["created_at"] + 7200


def test_a_file_that_expires_before_its_batch_is_begun_is_read_all_the_same(door: Served) -> None:
    line = json.dumps(chat("a")).encode()
    file = door.client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", line)}).json()
    with door.database.write() as session:
        session.get_one(File, file["id"]).expires_at = 1.0
        batch = rows.add(session, "openai", CHAT, file["id"], owner="", window="24h", seconds=86400.0, details={}).id
    assert until(door, {"id": batch}, "in_progress")["request_counts"]["total"] == 1


@pytest.mark.parametrize(
    ("given", "param"),
    [
        (3600, "output_expires_after"),
        ({"seconds": 3600}, "output_expires_after.anchor"),
        ({"anchor": "created_at", "seconds": "3600"}, "output_expires_after.seconds"),
        ({"anchor": "created_at", "seconds": 60}, "output_expires_after.seconds"),
    ],
)
def test_an_expiry_of_answers_that_cannot_be_kept_is_explained(door: Served, given: Any, param: str) -> None:
    file = door.client.post("/v1/files", files={"file": ("in.jsonl", b"{}")}).json()["id"]
    wanted = {"input_file_id": file, "endpoint": CHAT, "output_expires_after": given}
    refused = door.post("/v1/batches", wanted)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
