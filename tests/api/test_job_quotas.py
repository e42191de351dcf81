"""Jobs count as requests of their key: each once, and only when it is made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared import catalog, keys
from tests.api.fleet import Fleet
from tests.api.gateway.test_model_names import BIG
from tests.api.served import Served

_JOB = {"kind": "inference", "params": {"model": "echo", "prompt": "x"}}
_WRONG = {"kind": "inference", "params": {"model": "ecko", "prompt": "x"}}
_TINY = {"model": "org/tiny"}


def key(door: Served, **limits: int) -> dict[str, str]:
    """The headers of a new key; limits of a day."""
    with door.database.write() as session:
        named = {f"{what}/day": most for what, most in limits.items()}
        return {"Authorization": f"Bearer {keys.create(session, 'ci', 'submit', limits=named)[1]}"}


@pytest.fixture
def stores(door: Served) -> Served:
    """Two hosts at work, both with the same model."""
    for name in ("studio", "mini"):
        Fleet(door, name).register()
        with door.database.write() as session:
            catalog.register(session, name, [BIG])
    return door


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


@pytest.mark.parametrize(
    ("path", "body", "most"),
    [("/v1/jobs", {"kind": "download", "params": {"model": "org/tiny"}}, 1), ("/v1/models/install", _TINY, 1),
     ("/v1/models/scan", {}, 2), ("/v1/models/scan", {"host": "mini"}, 1), (f"/v1/models/{BIG.name}/verify", {}, 2)],
)  # fmt: skip
def test_work_on_the_model_store_counts_by_any_way(
    door: Served, stores: Served, path: str, body: dict[str, Any], most: int
) -> None:
    few = key(door, requests=most)
    assert [door.post(path, body, headers=few).status_code for _ in range(2)] == [201, 429]
    assert len(door.get("/v1/jobs").json()["data"]) == most


def test_to_pull_counts_when_nobody_pulls_the_same(door: Served, stores: Served) -> None:
    few, none = key(door, requests=1), key(door, requests=0)
    for headers, model, code in (
        (none, "org/tiny", 429), (few, "org/tiny", 200), (none, "org/tiny", 200), (few, "org/other", 429)
    ):  # fmt: skip
        with door.client.stream("POST", "/api/pull", json={"model": model}, headers=headers) as answer:
            assert answer.status_code == code
    assert len(door.get("/v1/jobs").json()["data"]) == 1
