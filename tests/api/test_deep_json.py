"""Free JSON of clients that could stop whoever reads it next: nested deep, or with numbers that nothing counts."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from scheduler.reading.snapshot import Reader
from shared.kinds.inference import Inference
from shared.nesting import DEEPEST
from shared.tables import Job
from tests.api.fleet import Fleet
from tests.api.served import Served

ECHO = {"kind": "inference", "params": {"model": "echo", "prompt": "hello"}}


def nested(levels: int) -> dict[str, Any]:
    """So many objects and lists in each other."""
    inner: Any = 1
    for _ in range(levels - 1):
        inner = [inner]
    return {"x": inner}


def job(levels: int) -> dict[str, Any]:
    """A job whose parameters are nested so deep, of which its run gets two levels less."""
    return {"kind": "inference", "params": ECHO["params"] | {"spec": {"params": nested(levels - 2)}}}  # type: ignore[operator]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/jobs", job(DEEPEST + 1), "params"),
        ("/v1/jobs", job(240), "params"),
        ("/v1/jobs", job(900), "params"),
        ("/v1/jobs/bulk", {"jobs": [ECHO, job(DEEPEST + 1)]}, "jobs.1.params"),
        ("/v1/schedules", {"name": "n", "cron": "30 2 * * *", "job": job(DEEPEST + 1)}, "job.params"),
        ("/v1/runs", {"model": "echo", "spec": {"params": nested(DEEPEST + 1)}}, "spec.params"),
    ],
)
def test_what_is_nested_too_deep_is_refused_by_name(
    door: Served, fleet: Fleet, path: str, body: dict[str, Any], field: str
) -> None:
    answer = door.post(path, body)
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert (error["param"], "too deep" in error["why"]) == (field, True)
    assert "value error" not in error["why"]
    assert door.get("/v1/jobs").json()["data"] == []


@pytest.mark.parametrize(
    "wrong", [{"parameters": nested(DEEPEST + 1)}, {"messages": [{"role": "user", "content": nested(DEEPEST)}]}]
)
def test_an_alias_is_not_nested_too_deep(door: Served, fleet: Fleet, wrong: dict[str, Any]) -> None:
    answer = door.client.put("/v1/models/aliases/odd", json={"model": "echo", **wrong})
    assert (answer.status_code, "too deep" in answer.text) == (422, True)


def test_what_is_just_flat_enough_is_read_by_everybody(door: Served, fleet: Fleet) -> None:
    made = door.post("/v1/jobs", job(DEEPEST))
    assert made.status_code == 201, made.text
    begun = door.post("/v1/runs", {"model": "echo", "spec": {"params": nested(DEEPEST)}})
    assert begun.status_code == 201, begun.text
    with door.database.read() as session:
        seen = Reader().read(session, whole=True)
        params = session.scalars(select(Job.params)).one()
    assert [each.id for each in seen.jobs] == [made.json()["id"]]
    assert [each.spec.params for each in seen.runs] == [nested(DEEPEST)]
    assert Inference.model_validate(params).spec.params == nested(DEEPEST - 2)
    assert len(door.get("/v1/jobs").json()["data"]) == 1


def test_a_context_that_nothing_counts_is_refused(door: Served, fleet: Fleet) -> None:
    spec = {"context": 10**30}
    bodies = {
        "/v1/jobs": {"kind": "inference", "params": ECHO["params"] | {"spec": spec}},  # type: ignore[operator]
        "/v1/runs": {"model": "echo", "spec": spec},
    }
    told = {path: door.post(path, body) for path, body in bodies.items()}
    told["alias"] = door.client.put("/v1/models/aliases/odd", json={"model": "echo", **spec})
    told["fit"] = door.get("/v1/models/fit", params={"model": "echo", **spec})
    benchmark = {"kind": "benchmark", "params": {"models": ["echo"], **spec}}
    told["benchmark"] = door.post("/v1/jobs", benchmark)
    assert {path: answer.status_code for path, answer in told.items()} == dict.fromkeys(told, 422)
    assert all("context" in answer.json()["error"]["param"] for answer in told.values())


@pytest.mark.parametrize(("asked", "kept"), [(1e12, 315_360_000.0), (-60, -1.0), (0.5, 0.5)])
def test_a_run_stays_for_ten_years_or_for_ever(door: Served, fleet: Fleet, asked: float, kept: float) -> None:
    run = door.post("/v1/runs", {"model": "echo", "spec": {"keep_alive": asked}})
    assert (run.status_code, run.json()["keep_alive"]) == (201, kept)


def test_a_run_does_not_stay_for_no_number_of_seconds(door: Served, fleet: Fleet) -> None:
    for odd in ("NaN", "Infinity"):
        content = f'{{"model": "echo", "spec": {{"keep_alive": {odd}}}}}'
        answer = door.client.post("/v1/runs", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, "keep_alive" in answer.text) == (422, True), answer.text


def test_turns_are_not_taken_by_a_label_that_no_part_of_the_queue_can_be_named_by(door: Served, fleet: Fleet) -> None:
    long = ECHO | {"labels": {"team": "x" * 255}, "queue_by": "team"}
    for answer in (
        door.post("/v1/jobs", long),
        door.post("/v1/schedules", {"name": "nightly", "cron": "30 2 * * *", "job": long}),
    ):
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, "queue_by")
    assert door.post("/v1/jobs", long | {"queue_by": "key"}).status_code == 201
