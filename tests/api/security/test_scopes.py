"""A key sees and uses what is its own: files, batches, models, urgency; an admin's sees everything."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from sqlalchemy import select

from shared.jobs import service
from shared.jobs.intake import Submission
from shared.tables import Job
from shared.vocabulary import Priority
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.waiting import eventually

_LINES = [
    {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": {"model": "echo", "messages": [
        {"role": "user", "content": "x"}
    ]}}
    for number in range(3)
]  # fmt: skip


def key(door: Served, **fields: Any) -> dict[str, str]:
    """The headers of a new key."""
    made = door.post("/v1/keys", {"name": "ci", **fields})
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['key']}"}


def upload(door: Served, headers: dict[str, str], content: bytes = b"secret", purpose: str = "batch") -> str:
    sent = door.client.post(
        "/v1/files", files={"file": ("a.jsonl", io.BytesIO(content))}, data={"purpose": purpose}, headers=headers
    )
    assert sent.status_code == 200, sent.text
    return str(sent.json()["id"])


def jsonl() -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in _LINES)


def batch(door: Served, headers: dict[str, str]) -> dict[str, Any]:
    asked = {"input_file_id": upload(door, headers, jsonl()), "endpoint": "/v1/chat/completions"}
    made = door.post("/v1/batches", asked, headers=headers)
    assert made.status_code == 200, made.text
    shown: dict[str, Any] = made.json()
    return shown


def test_a_key_sees_its_own_files_only(door: Served) -> None:
    mine, theirs, admin = key(door), key(door), key(door, role="admin")
    file = upload(door, mine)
    for headers, found in ((mine, True), (theirs, False), (admin, True)):
        for path in (f"/v1/files/{file}", f"/v1/files/{file}/content"):
            assert door.get(path, headers=headers).status_code == (200 if found else 404)
        assert bool(door.get("/v1/files", headers=headers).json()["data"]) == found
    assert door.client.delete(f"/v1/files/{file}", headers=theirs).status_code == 404
    assert door.client.delete(f"/v1/files/{file}", headers=mine).status_code == 200


def test_a_file_of_somebody_else_is_not_read_through_a_job_or_a_batch(door: Served, fleet: Fleet) -> None:
    mine, theirs = key(door), key(door)
    file = upload(door, mine, jsonl())
    job = {"kind": "inference", "params": {"model": "echo", "file": file}}
    schedule = {"name": "n", "cron": "0 0 * * *", "job": job}
    asked = {"input_file_id": file, "endpoint": "/v1/chat/completions"}
    for path, body in (("/v1/jobs", job), ("/v1/schedules", schedule), ("/v1/batches", asked)):
        assert door.post(path, body, headers=theirs).status_code == 404, path
        assert door.post(path, body, headers=mine).status_code < 300, path


def test_what_a_job_makes_belongs_to_whose_job_it_is(door: Served, fleet: Fleet) -> None:
    mine, theirs = key(door), key(door)
    run = fleet.ready_run()
    job = door.post("/v1/jobs", {"kind": "inference", "params": {"model": "echo", "prompt": "x"}}, headers=mine).json()
    ref = fleet.assign(job["id"], run.run_id)
    assert fleet.claim(ref)
    sent = door.client.post(
        f"/worker/v1/files?job_id={ref.job_id}&attempt={ref.attempt}&worker={fleet.worker}&name=a.txt",
        content=b"answer",
        headers={"Authorization": f"Bearer {fleet.token}", "Cidermill-Protocol": "1", "Content-Type": "text/plain"},
    )
    assert sent.status_code == 200, sent.text
    path = f"/v1/files/{sent.json()['id']}/content"
    assert (door.get(path, headers=mine).status_code, door.get(path, headers=theirs).status_code) == (200, 404)


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/messages/batches"])
def test_a_key_sees_its_own_batches_only(door: Served, fleet: Fleet, path: str) -> None:
    mine, theirs, admin = key(door), key(door), key(door, role="admin")
    if path == "/v1/batches":
        made = batch(door, mine)
    else:
        params = {"model": "echo", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
        made = door.post(path, {"requests": [{"custom_id": "a", "params": params}]}, headers=mine).json()
    for headers, found in ((mine, True), (theirs, False), (admin, True)):
        assert door.get(f"{path}/{made['id']}", headers=headers).status_code == (200 if found else 404)
        assert bool(door.get(path, headers=headers).json()["data"]) == found
    assert door.post(f"{path}/{made['id']}/cancel", headers=theirs).status_code == 404
    assert door.post(f"{path}/{made['id']}/cancel", headers=mine).status_code == 200


def test_a_key_deletes_its_own_message_batches_only(door: Served, fleet: Fleet) -> None:
    mine, theirs = key(door), key(door)
    asked = {"requests": [{"custom_id": "a", "params": {"model": "none", "max_tokens": 1, "messages": []}}]}
    path = f"/v1/messages/batches/{door.post('/v1/messages/batches', asked, headers=mine).json()['id']}"
    eventually(lambda: door.get(path, headers=mine).json()["processing_status"] == "ended")
    assert [door.client.delete(path, headers=who).status_code for who in (theirs, mine)] == [404, 200]


def test_a_batch_is_held_to_what_its_key_may(door: Served, fleet: Fleet) -> None:
    other = batch(door, key(door, models=["another"]))
    few = batch(door, key(door, limits={"requests/day": 2}))
    enough = batch(door, key(door, limits={"requests/day": 3}))

    def shown(made: dict[str, Any]) -> dict[str, Any]:
        now: dict[str, Any] = door.get(f"/v1/batches/{made['id']}").json()
        return now

    for made, code in ((other, "forbidden"), (few, "rate_limit_exceeded")):
        eventually(lambda made=made: shown(made)["status"] == "failed", within=20)  # type: ignore[misc]
        assert {error["code"] for error in shown(made)["errors"]["data"]} == {code}
    eventually(lambda: shown(enough)["status"] == "in_progress")


def test_work_left_for_later_is_held_to_its_key(door: Served, fleet: Fleet) -> None:
    job = {"kind": "inference", "params": {"model": "echo", "prompt": "x"}, "priority": "high"}
    low, other = key(door, priority="low"), key(door, models=["another"])
    schedule = {"name": "nightly", "cron": "0 0 * * *", "job": job}
    assert door.post("/v1/schedules", schedule, headers=other).status_code == 403
    assert door.post("/v1/schedules", schedule, headers=low).status_code == 201
    assert door.post("/v1/schedules/nightly/run", headers=low).json()["priority"] == "low"
    [mine] = [row for row in door.get("/v1/keys").json()["data"] if row["priority"] == "low"]
    door.client.delete(f"/v1/keys/{mine['id']}")
    assert door.post("/v1/schedules/nightly/run").status_code == 403


def test_a_chat_starts_no_run_more_urgent_than_its_key_may_be(door: Served, fleet: Fleet) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "x"}], "stream": True}
    with door.client.stream("POST", "/v1/chat/completions", json=body, headers=key(door, priority="low")) as answer:
        next(answer.iter_lines())
        [run] = door.get("/v1/runs").json()["data"]
    assert run["priority"] == "low"


@pytest.mark.parametrize("change", ["cancel", "retry"])
def test_a_key_ends_and_retries_its_own_jobs_only(door: Served, change: str) -> None:
    mine, theirs, admin = key(door), key(door), key(door, role="admin")
    for headers, code in ((theirs, 403), (mine, 200), (admin, 200)):
        job = door.post("/v1/jobs", {"kind": "inference", "params": {"model": "echo", "prompt": "x"}}, headers=mine)
        path = f"/v1/jobs/{job.json()['id']}"
        if change == "retry":
            door.post(f"{path}/cancel", headers=mine)
        assert door.post(f"{path}/{change}", headers=headers).status_code == code
        assert door.get(path, headers=theirs).status_code == 200


def cancelled(door: Served, params: dict[str, Any], **fields: Any) -> tuple[str, str]:
    """The path of an urgent job that is over, and that of its key."""
    made = door.post("/v1/keys", {"name": "ci", **fields}).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    job = door.post("/v1/jobs", {"kind": "inference", "priority": "high", "params": params}, headers=headers)
    assert job.status_code == 201, job.text
    path = f"/v1/jobs/{job.json()['id']}"
    assert door.post(f"{path}/cancel").status_code == 200
    return path, f"/v1/keys/{made['id']}"


_ONE = {"model": "echo", "prompt": "x"}


@pytest.mark.parametrize(
    ("change", "code"),
    [({"models": []}, 403), ({"models": ["echo"]}, 200), ({"models": ["nick"]}, 200), ({"expires_at": 1.0}, 403),
     ({"limits": {"requests/day": 0}}, 429), ({"limits": {"requests/day": 1}}, 200)],
)  # fmt: skip
def test_a_job_is_retried_with_what_its_key_may_now(
    door: Served, fleet: Fleet, change: dict[str, Any], code: int
) -> None:
    assert door.client.put("/v1/models/aliases/nick", json={"model": "echo"}).status_code == 200
    job, own = cancelled(door, _ONE)
    assert door.client.patch(own, json=change).status_code == 200
    assert door.post(f"{job}/retry").status_code == code
    assert door.get(job).json()["state"] == ("queued" if code == 200 else "cancelled")


def test_a_job_is_retried_no_more_urgent_than_its_key_may_be_now(door: Served, fleet: Fleet) -> None:
    job, own = cancelled(door, _ONE)
    door.client.patch(own, json={"priority": "low"})
    assert door.post(f"{job}/retry").json()["priority"] == "low"
    with door.database.read() as session:
        row = session.scalars(select(Job)).one()
        assert (row.priority, row.rank) == (Priority.LOW, Priority.LOW.rank)


@pytest.mark.parametrize(("limit", "codes"), [(3, [429]), (4, [200, 429]), (5, [200, 200])])
def test_a_retry_counts_as_the_requests_that_are_not_finished(
    door: Served, fleet: Fleet, limit: int, codes: list[int]
) -> None:
    """Three when it was submitted, of which two are finished."""
    made = door.post("/v1/keys", {"name": "ci", "limits": {"requests/day": limit}}).json()
    job = {"kind": "inference", "params": {"model": "echo", "requests": [{"prompt": "x"}] * 3}}
    sent = door.post("/v1/jobs", job, headers={"Authorization": f"Bearer {made['key']}"}).json()["id"]
    told: list[int] = []
    for _ in codes:
        ref = fleet.assign(sent, fleet.ready_run().run_id)
        assert fleet.claim(ref)
        fleet.keep(ref, *({"index": index, "data": {}} for index in range(2)))
        fleet.finish(ref, "cancelled")
        told.append(door.post(f"/v1/jobs/{sent}/retry").status_code)
    assert told == codes


def test_who_may_open_hosts_no_more_retries_no_download_from_one(door: Served, fleet: Fleet) -> None:
    made = door.post("/v1/keys", {"name": "ci", "role": "admin"}).json()
    own = {"Authorization": f"Bearer {made['key']}"}
    body = {"kind": "download", "params": {"model": "local:/a.gguf"}}
    job = f"/v1/jobs/{door.post('/v1/jobs', body, headers=own).json()['id']}"
    for role, code in (("admin", 200), ("submit", 403)):
        door.client.patch(f"/v1/keys/{made['id']}", json={"role": role})
        assert door.post(f"{job}/cancel").status_code == 200
        assert door.post(f"{job}/retry", headers=own).status_code == code


def test_what_cidermill_fetches_by_itself_is_retried_by_admins(door: Served, fleet: Fleet) -> None:
    asked = [Submission("download", {"model": "org/tiny"})]
    with door.database.write() as session:
        [job] = service.queue(session, service.prepare(session, asked, "scheduler", internal=True))
    assert door.post(f"/v1/jobs/{job.id}/cancel").status_code == 200
    assert door.post(f"/v1/jobs/{job.id}/retry").status_code == 200


_SCHEDULE = {"cron": "0 0 * * *", "job": {"kind": "inference", "params": {"model": "echo", "prompt": "x"}}}


@pytest.mark.parametrize("change", ["run", "pause", "resume", "delete"])
def test_a_key_changes_its_own_schedules_only(door: Served, fleet: Fleet, change: str) -> None:
    mine, theirs, admin = key(door), key(door), key(door, role="admin")
    for number, (headers, allowed) in enumerate(((theirs, False), (mine, True), (admin, True))):
        path = f"/v1/schedules/nightly-{number}"
        assert door.post("/v1/schedules", _SCHEDULE | {"name": f"nightly-{number}"}, headers=mine).status_code == 201
        method, path = ("DELETE", path) if change == "delete" else ("POST", f"{path}/{change}")
        code = door.client.request(method, path, headers=headers).status_code
        assert code in ((200, 201) if allowed else (403,))
    assert len(door.get("/v1/schedules", headers=theirs).json()["data"]) == (1 if change == "delete" else 3)


def test_to_run_a_schedule_out_of_turn_counts_as_a_request(door: Served, fleet: Fleet) -> None:
    few = key(door, limits={"requests/day": 1})
    assert door.post("/v1/schedules", _SCHEDULE | {"name": "nightly"}, headers=few).status_code == 201
    codes = [door.post("/v1/schedules/nightly/run", headers=few).status_code for _ in range(2)]
    assert codes == [201, 429]


def test_a_job_counts_as_the_requests_that_it_holds(door: Served, fleet: Fleet) -> None:
    few = key(door, limits={"requests/day": 5})
    job = {"kind": "inference", "params": {"model": "echo", "requests": [{"prompt": "x"}] * 3}}
    assert [door.post("/v1/jobs", job, headers=few).status_code for _ in range(2)] == [201, 429]
    assert door.post("/v1/jobs/bulk", {"jobs": [job]}, headers=few).status_code == 429
    job["params"] = {"model": "echo", "requests": [{"prompt": "x"}] * 2}
    assert door.post("/v1/jobs/bulk", {"jobs": [job]}, headers=few).status_code == 201


def test_a_file_that_a_batch_depends_on_is_not_there_for_other_keys_either(door: Served) -> None:
    mine, theirs = key(door), key(door)
    made = batch(door, mine)["id"]
    eventually(lambda: door.get(f"/v1/batches/{made}", headers=mine).json()["status"] == "in_progress")
    [part] = door.get("/v1/files", params={"purpose": "batch_part"}, headers=mine).json()["data"]
    told = [door.client.delete(f"/v1/files/{part['id']}", headers=who) for who in (theirs, mine)]
    assert [answer.status_code for answer in told] == [404, 409]
    assert made not in told[0].text
