"""Jobs count as requests of their key: each once, and only when it is made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared import keys
from tests.api.served import Served

_JOB = {"kind": "inference", "params": {"model": "echo", "prompt": "x"}}
_WRONG = {"kind": "inference", "params": {"model": "ecko", "prompt": "x"}}


def key(door: Served, **limits: int) -> dict[str, str]:
    """The headers of a new key; limits of a day."""
    with door.database.write() as session:
        named = {f"{what}/day": most for what, most in limits.items()}
        return {"Authorization": f"Bearer {keys.create(session, 'ci', 'submit', limits=named)[1]}"}


def bulk(*jobs: dict[str, Any]) -> dict[str, Any]:
    return {"jobs": list(jobs)}


@pytest.mark.parametrize(("path", "wrong", "right"), [("", _WRONG, _JOB), ("/bulk", bulk(_JOB, _WRONG), bulk(_JOB))])
def test_what_is_refused_does_not_count(door: Served, path: str, wrong: dict[str, Any], right: dict[str, Any]) -> None:
    few = key(door, requests=1)
    codes = [door.post(f"/v1/jobs{path}", body, headers=few).status_code for body in (wrong, right, right)]
    assert codes == [404, 201, 429]
    assert len(door.get("/v1/jobs").json()["data"]) == 1


def test_a_job_counts_once_however_often_it_is_asked_for(door: Served) -> None:
    few = key(door, requests=2)
    answers = [door.post("/v1/jobs", _JOB, headers=few | {"Idempotency-Key": "once"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200]
    other = [door.post("/v1/jobs", _JOB, headers=few).status_code for _ in range(2)]
    assert other == [201, 429]
    assert door.post("/v1/jobs", _JOB, headers=few | {"Idempotency-Key": "once"}).status_code == 200


def test_of_a_bulk_only_those_count_that_are_not_there_yet(door: Served) -> None:
    few = key(door, requests=3)
    named = few | {"Idempotency-Key": "bulk"}
    codes = [door.post("/v1/jobs/bulk", bulk(*[_JOB] * most), headers=named).status_code for most in (2, 2, 3, 3, 4)]
    assert codes == [201, 201, 201, 201, 429]
    assert len(door.get("/v1/jobs").json()["data"]) == 3


def test_many_jobs_at_once_are_no_more_than_the_limit(door: Served) -> None:
    few = key(door, requests=5)
    with ThreadPoolExecutor(12) as pool:
        codes = list(pool.map(lambda _: door.post("/v1/jobs", _JOB, headers=few).status_code, range(12)))
    assert sorted(codes) == [201] * 5 + [429] * 7
    assert len(door.get("/v1/jobs").json()["data"]) == 5


def test_one_job_from_many_clients_at_once_counts_once(door: Served) -> None:
    few = key(door, requests=1)
    named = few | {"Idempotency-Key": "race"}
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: door.post("/v1/jobs", _JOB, headers=named).status_code, range(8)))
    assert sorted(codes) == [200] * 7 + [201]


def test_tokens_that_are_not_written_yet_count_for_jobs_too(door: Served) -> None:
    few = key(door, tokens=5)
    [row] = door.get("/v1/keys").json()["data"]
    door.parts.meter.desk.used(row["id"], 5)
    assert [door.post("/v1/jobs", _JOB, headers=few).status_code for _ in range(2)] == [429, 429]


def test_a_turn_of_a_schedule_that_is_refused_leaves_no_job(door: Served) -> None:
    few = key(door, requests=1)
    assert door.post("/v1/schedules", {"name": "n", "cron": "0 0 * * *", "job": _JOB}, headers=few).status_code == 201
    assert door.post("/v1/schedules/n/run", headers=few).status_code == 201
    assert door.post("/v1/schedules/n/run", headers=few).status_code == 429
    assert len(door.get("/v1/jobs").json()["data"]) == 1
