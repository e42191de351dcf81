"""Schedules over REST."""

from __future__ import annotations

from typing import Any

import pytest

from shared.tables import Schedule
from tests.api.fleet import Fleet
from tests.api.served import Served

JOB = {"kind": "inference", "params": {"model": "echo", "prompt": "nightly"}, "deadline": "2h"}


def add(door: Served, **more: Any) -> Any:
    return door.post("/v1/schedules", {"name": "nightly", "cron": "30 2 * * *", "job": JOB, **more})


def test_a_schedule_is_kept_with_its_next_time(door: Served, fleet: Fleet) -> None:
    answer = add(door, timezone="Europe/Berlin")
    assert answer.status_code == 201
    kept = door.get("/v1/schedules/nightly").json()
    assert kept == door.get(answer.headers["Location"]).json() == answer.json()
    assert kept["next_at"] > kept["created_at"]
    assert kept["job"] == JOB | {"deadline": "PT2H"}
    assert [each["name"] for each in door.get("/v1/schedules").json()["data"]] == ["nightly"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"cron": "30 2 * *"}, "cron"),
        ({"timezone": "Europe/Berln"}, "timezone"),
        ({"job": {"kind": "inferense"}}, "kind"),
        ({"job": JOB | {"params": {"model": "echo"}}}, "params"),
        ({"job": JOB | {"deadline": "soon"}}, "job.deadline"),
    ],
)
def test_what_could_never_fire_is_refused_in_three_parts(
    door: Served, fleet: Fleet, wrong: dict[str, Any], field: str
) -> None:
    answer = add(door, **wrong)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["details"]["field"] == field
    assert all(error[said] for said in ("what", "why", "fix"))


def test_a_name_is_given_once(door: Served, fleet: Fleet) -> None:
    kept = add(door).json()
    assert add(door).status_code == 409
    assert add(door, name=kept["id"]).status_code == 409, "it is found by its id, too"


def test_a_schedule_that_has_anothers_id_for_a_name_is_not_taken_for_it(door: Served, fleet: Fleet) -> None:
    wanted, other = add(door).json(), add(door, name="other").json()
    with door.database.write() as session:
        session.get_one(Schedule, other["id"]).name = wanted["id"]
        session.flush()
        # PostgreSQL finds what was written last behind all others.
        session.get_one(Schedule, wanted["id"]).paused = True
    assert door.get(f"/v1/schedules/{wanted['id']}").json()["id"] == wanted["id"]


def test_a_schedule_submits_its_job_out_of_turn(door: Served, fleet: Fleet) -> None:
    kept = add(door).json()
    job = door.post("/v1/schedules/nightly/run").json()
    again = door.post("/v1/schedules/nightly/run").json()
    assert job["id"] != again["id"]
    assert job["schedule"] == kept["id"]
    assert job["deadline"] == pytest.approx(job["created_at"] + 7200, abs=5)
    after = door.get("/v1/schedules/nightly").json()
    assert (after["last_job"], after["next_at"]) == (again["id"], kept["next_at"])


def test_a_schedule_is_paused_resumed_and_removed(door: Served, fleet: Fleet) -> None:
    add(door)
    assert door.post("/v1/schedules/nightly/pause").json()["paused"] is True
    assert door.post("/v1/schedules/nightly/resume").json()["paused"] is False
    assert door.client.delete("/v1/schedules/nightly").json()["deleted"] is True
    assert door.get("/v1/schedules/nightly").status_code == 404
