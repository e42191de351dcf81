"""Submitting jobs and looking at them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.api.fleet import Fleet
from tests.api.served import Served

ECHO = {"kind": "inference", "params": {"model": "echo", "prompt": "hello"}}


def test_a_submitted_job_is_created_and_can_be_found(door: Served) -> None:
    answer = door.post("/v1/jobs", {**ECHO, "priority": "high", "labels": {"team": "a"}, "not_before": 4102444800})
    assert answer.status_code == 201
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["priority"], job["model"], job["capability"]) == ("queued", "high", "echo", "generate")
    assert job["not_before"] == 4102444800
    found = door.get(f"/v1/jobs/{job['id']}").json()
    assert found | {"attempts": [], "items_done": 0, "position": 0} == found
    assert {name: found[name] for name in job} == job


def test_the_same_key_and_request_is_the_same_job(door: Served) -> None:
    headers = {"Idempotency-Key": "once"}
    first = door.post("/v1/jobs", ECHO, headers=headers)
    second = door.post("/v1/jobs", ECHO, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    other = door.post("/v1/jobs", {**ECHO, "priority": "low"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_mismatch")
    assert other.json()["error"]["details"]["job_id"] == first.json()["id"]


def test_one_key_from_many_clients_at_once_makes_one_job(door: Served) -> None:
    ids: list[str] = []

    def submit() -> None:
        answer = door.post("/v1/jobs", ECHO, headers={"Idempotency-Key": "race"})
        assert answer.status_code in (200, 201), answer.text
        ids.append(answer.json()["id"])

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1


def test_a_bulk_is_queued_whole_and_in_order(door: Served) -> None:
    jobs = [{**ECHO, "labels": {"n": str(n)}} for n in range(250)]
    answer = door.post("/v1/jobs/bulk", {"jobs": jobs}, headers={"Idempotency-Key": "bulk"})
    assert answer.status_code == 201
    ids = [job["id"] for job in answer.json()["data"]]
    assert len(set(ids)) == 250
    assert door.get(f"/v1/jobs/{ids[7]}").json()["labels"] == {"n": "7"}
    again = door.post("/v1/jobs/bulk", {"jobs": jobs}, headers={"Idempotency-Key": "bulk"})
    assert [job["id"] for job in again.json()["data"]] == ids


def test_a_bulk_with_one_bad_job_queues_nothing(door: Served) -> None:
    bad = {"kind": "inference", "params": {"model": "ecko", "prompt": "x"}}
    answer = door.post("/v1/jobs/bulk", {"jobs": [ECHO, bad]})
    assert answer.status_code == 404
    assert door.get("/v1/jobs").json()["data"] == []


def test_jobs_are_listed_page_by_page_newest_first(door: Served) -> None:
    ids = [door.submit(str(n)) for n in range(5)]
    seen: list[str] = []
    after: dict[str, Any] = {}
    while True:
        page = door.get("/v1/jobs", params={"limit": 2, **after}).json()
        seen += [job["id"] for job in page["data"]]
        if not page["has_more"]:
            break
        after = {"after": page["last_id"]}
    assert seen == sorted(ids, reverse=True)


def test_jobs_are_found_by_state_kind_model_label_and_host(door: Served, fleet: Fleet) -> None:
    ran = fleet.running_job(labels={"team": "a", "run": "1"}).job_id
    waits = door.submit(labels={"team": "b"})

    def found(**wanted: Any) -> set[str]:
        answer = door.get("/v1/jobs", params=wanted)
        assert answer.status_code == 200, answer.text
        return {job["id"] for job in answer.json()["data"]}

    assert found(state=["queued", "running"]) == {ran, waits}
    assert found(state="running") == {ran}
    assert found(kind="inference") == {ran, waits}
    assert found(kind="download") == set()
    assert found(model="echo") == {ran, waits}
    assert found(host="studio") == {ran}
    assert found(label="team=b") == {waits}
    assert found(label=["team=a", "run=1"]) == {ran}
    for wrong in ("team", "=a", "\0=a", "team=\0"):
        assert door.get("/v1/jobs", params={"label": wrong}).status_code == 422


def test_a_waiting_job_knows_its_place(door: Served) -> None:
    first, second = door.submit(), door.submit()
    urgent = door.submit(priority="interactive")
    places = {job: door.get(f"/v1/jobs/{job}").json()["position"] for job in (first, second, urgent)}
    assert places == {urgent: 0, first: 1, second: 2}
    said = door.get(f"/v1/jobs/{second}/explain").json()
    assert (said["state"], said["position"]) == ("queued", 2)
    assert said["sentence"] == "waits with 2 before it: the scheduler has not looked at it yet"


def test_a_job_that_is_to_wait_says_until_when(door: Served) -> None:
    job_id = door.submit(not_before="2099-01-01T00:00:00Z")
    said = door.get(f"/v1/jobs/{job_id}/explain").json()
    assert said["code"] == "not_before"
    assert said["sentence"].endswith("it is not to start before 2099-01-01 00:00:00+00:00")
    assert said["estimate"] > 365 * 86400


def test_a_running_job_says_where(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    assert door.get(f"/v1/jobs/{ref.job_id}/explain").json()["sentence"] == "attempt 1 runs on studio with echo"


def test_a_waiting_job_is_cancelled_at_once_and_can_be_tried_again(door: Served) -> None:
    job_id = door.submit()
    assert door.post(f"/v1/jobs/{job_id}/cancel").json()["state"] == "cancelled"
    assert door.post(f"/v1/jobs/{job_id}/cancel").json()["state"] == "cancelled"
    assert door.post(f"/v1/jobs/{job_id}/retry").json()["state"] == "queued"
    assert door.post(f"/v1/jobs/{job_id}/retry").status_code == 409


def test_a_job_without_a_result_says_why(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    early = door.get(f"/v1/jobs/{ref.job_id}/result")
    assert (early.status_code, early.json()["error"]["why"]) == (409, "it is running")
    fleet.finish(ref, "failed", error={"code": "invalid_input", "what": "The prompt is empty"})
    late = door.get(f"/v1/jobs/{ref.job_id}/result")
    assert (late.status_code, late.json()["error"]["why"]) == (409, "The prompt is empty")


def test_what_no_host_could_ever_hold_is_refused_with_the_numbers(door: Served, fleet: Fleet) -> None:
    spec = {"params": {"memory": "100GiB"}}
    answer = door.post("/v1/jobs", {"kind": "inference", "params": {"model": "echo", "prompt": "x", "spec": spec}})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "cannot_fit")
    assert error["what"] == "echo can never fit: it needs 100.0 GiB"
    assert error["details"]["host"] == "studio"
    assert error["details"]["budget"] == fleet.budget


@pytest.mark.parametrize(
    ("params", "status", "code", "says"),
    [
        ({"runtime": "ecko"}, 422, "cannot_fit", "did you mean echo"),
        ({"host": "studyo"}, 404, "not_found", "did you mean studio"),
        ({"model": "eko"}, 404, "not_found", "did you mean echo"),
        ({"prompts": "x"}, 422, "invalid_parameters", "did you mean prompt"),
        ({"timeout": "soon"}, 422, "invalid_parameters", "number"),
        ({"file": "file_1"}, 422, "invalid_parameters", "exactly one"),
    ],
)
@pytest.mark.usefixtures("fleet")
def test_parameters_that_make_no_sense_are_refused_with_what_was_meant(
    door: Served, params: dict[str, Any], status: int, code: str, says: str
) -> None:
    answer = door.post("/v1/jobs", {"kind": "inference", "params": {"model": "echo", "prompt": "x", **params}})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), error
    assert says in error["why"]
    assert error["fix"]


def test_a_job_that_needs_a_missing_file_is_refused(door: Served) -> None:
    answer = door.post("/v1/jobs", {"kind": "inference", "params": {"model": "echo", "file": "file_none"}})
    assert (answer.status_code, answer.json()["error"]["what"]) == (404, "There is no file file_none")
