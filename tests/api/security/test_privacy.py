"""What a job was asked and what came of it: for the key that submitted it, and for admins."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete

from shared.tables import Job, Run
from tests.api.fleet import Fleet
from tests.api.security.test_scopes import key
from tests.api.served import Served

_ASKED, _ANSWERED = "my dearest secret", "what I was told"
_ENDPOINT = {"url": "http://127.0.0.1:1", "served_name": "echo", "slots": 1, "context": 4096}
#: Engines quote the request that they fail at, in their answer and as the last thing that they print.
_QUOTED = {"code": "run_died", "what": "The run ended", "why": f"its last line: {_ASKED}", "details": {"tail": _ASKED}}


@pytest.fixture
def mine(door: Served) -> dict[str, str]:
    return key(door)


@pytest.fixture
def job(door: Served, fleet: Fleet, mine: dict[str, str]) -> str:
    """A job that has written, and is over."""
    body = {"kind": "inference", "params": {"model": "echo", "prompt": _ASKED}}
    made = door.post("/v1/jobs", body, headers=mine)
    assert made.status_code == 201, made.text
    job_id = str(made.json()["id"])
    ref = fleet.assign(job_id, fleet.ready_run().run_id)
    assert fleet.claim(ref)
    fleet.call("/output", {**ref.model_dump(), "worker": fleet.worker, "text": _ANSWERED, "log": [_ANSWERED]})
    fleet.finish(ref, result={"text": _ANSWERED})
    return job_id


@pytest.mark.parametrize("role", ["submit", "read"])
def test_nobody_else_reads_what_a_job_was_asked_or_said(door: Served, job: str, role: str) -> None:
    theirs = key(door, role=role)
    for path in ("/v1/jobs", f"/v1/jobs/{job}", f"/v1/jobs/{job}/events", "/v1/events?follow=false&after=0"):
        answer = door.get(path, headers=theirs)
        assert answer.status_code == 200
        assert job in answer.text, "that there is the job is no secret"
        assert _ASKED not in answer.text
        assert _ANSWERED not in answer.text
    for path in (f"/v1/jobs/{job}/result", f"/v1/jobs/{job}/logs", f"/v1/jobs/{job}/logs?follow=true"):
        assert door.get(path, headers=theirs).status_code == 403
    shown: dict[str, Any] = door.get(f"/v1/jobs/{job}", headers=theirs).json()
    assert (shown["private"], shown["params"], shown["result"], shown["state"]) == (True, {}, None, "succeeded")


@pytest.mark.parametrize(("retryable", "state"), [(False, "failed"), (True, "queued")])
@pytest.mark.parametrize("role", [None, "admin", "submit", "read"])
def test_of_an_error_others_are_told_what_it_was_and_no_more(
    door: Served, fleet: Fleet, mine: dict[str, str], role: str | None, retryable: bool, state: str
) -> None:
    body = {"kind": "inference", "params": {"model": "echo", "prompt": "x"}}
    job = door.post("/v1/jobs", body, headers=mine).json()["id"]
    ref = fleet.assign(job, fleet.ready_run().run_id)
    assert fleet.claim(ref)
    fleet.finish(ref, "failed", error=_QUOTED | {"retryable": retryable})
    headers = mine if role is None else key(door, role=role)
    paths = ("/v1/jobs", f"/v1/jobs/{job}", f"/v1/jobs/{job}/explain", "/v1/events?follow=false&after=0")
    told = [_ASKED in door.get(path, headers=headers).text for path in paths]
    assert told == [role in (None, "admin")] * 4
    shown = door.get(f"/v1/jobs/{job}", headers=headers).json()
    for error in (shown["error"], shown["attempts"][0]["error"]):
        assert (shown["state"], error["code"], error["what"]) == (state, "run_died", "The run ended")
    assert "The run ended" in door.get(f"/v1/jobs/{job}/explain", headers=headers).json()["sentence"]


@pytest.mark.parametrize("role", ["admin", "submit", "read"])
def test_what_a_run_prints_while_it_answers_is_for_admins(door: Served, fleet: Fleet, role: str) -> None:
    headers = key(door, role=role)
    run_id = door.post("/v1/runs", {"model": "echo"}).json()["id"]
    run = fleet.place(run_id)
    fleet.sync(logs=[{"run_id": run_id, "text": "loading tensors"}])
    fleet.tend(run)
    fleet.report(run, "ready", endpoint=_ENDPOINT)
    fleet.sync(logs=[{"run_id": run_id, "text": f"cannot parse {_ASKED}"}])
    fleet.report(run, "failed", error=_QUOTED)
    events, logs = "/v1/events?follow=false&after=0", f"/v1/runs/{run_id}/logs"
    for path in (events, logs, f"{logs}?follow=true"):
        said = door.get(path, headers=headers).text
        assert "loading tensors" in said
        assert (_ASKED in said) == (role == "admin")
    for path in ("/v1/runs", f"/v1/runs/{run_id}", f"/v1/runs/{run_id}/explain"):
        said = door.get(path, headers=headers).text
        assert "The run ended" in said
        assert (_ASKED in said) == (role == "admin")
    with door.database.write() as session:
        session.execute(delete(Run).where(Run.id == run_id))
    assert (_ASKED in door.get(events, headers=headers).text) == (role == "admin")


def test_why_a_run_could_not_be_loaded_is_told_to_all(door: Served, fleet: Fleet) -> None:
    headers = key(door, role="read")
    run_id = door.post("/v1/runs", {"model": "echo"}).json()["id"]
    run = fleet.place(run_id)
    fleet.tend(run)
    fleet.report(run, "failed", error={"code": "run_died", "what": "The run ended", "why": "no such tensor"})
    for path in (f"/v1/runs/{run_id}", f"/v1/runs/{run_id}/explain", "/v1/events?follow=false&after=0"):
        assert "no such tensor" in door.get(path, headers=headers).text


@pytest.mark.parametrize("role", [None, "admin"])
def test_who_submitted_a_job_and_admins_read_it(door: Served, job: str, mine: dict[str, str], role: str | None) -> None:
    headers = mine if role is None else key(door, role=role)
    shown = door.get(f"/v1/jobs/{job}", headers=headers).json()
    assert (shown["private"], shown["params"]["prompt"]) == (False, _ASKED)
    for path in ("result", "logs", "events"):
        assert _ANSWERED in door.get(f"/v1/jobs/{job}/{path}", headers=headers).text
    assert _ANSWERED in door.get("/v1/events?follow=false&after=0", headers=headers).text


def test_what_a_schedule_asks_is_its_own_keys(door: Served, fleet: Fleet, mine: dict[str, str]) -> None:
    body = {"kind": "inference", "params": {"model": "echo", "prompt": _ASKED}}
    made = door.post("/v1/schedules", {"name": "nightly", "cron": "0 0 * * *", "job": body}, headers=mine)
    assert made.status_code == 201
    for path in ("/v1/schedules", "/v1/schedules/nightly"):
        assert _ASKED in door.get(path, headers=mine).text
        assert "nightly" in door.get(path, headers=key(door)).text
        assert _ASKED not in door.get(path, headers=key(door)).text


def test_downloads_are_everybodys(door: Served, fleet: Fleet, mine: dict[str, str]) -> None:
    """Who asks for a model that somebody fetches already follows that job."""
    made = door.post("/v1/jobs", {"kind": "download", "params": {"model": "org/tiny"}}, headers=mine)
    assert made.status_code == 201, made.text
    shown = door.get(f"/v1/jobs/{made.json()['id']}", headers=key(door)).json()
    assert (shown["private"], shown["params"]["model"]) == (False, "org/tiny")


def test_what_a_job_wrote_stays_secret_when_the_job_itself_is_forgotten(door: Served, job: str) -> None:
    with door.database.write() as session:
        session.execute(delete(Job).where(Job.id == job))
    path = "/v1/events?follow=false&after=0"
    assert _ANSWERED not in door.get(path, headers=key(door)).text
    assert _ANSWERED in door.get(path, headers=key(door, role="admin")).text
