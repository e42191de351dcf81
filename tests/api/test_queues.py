"""Parts of the queue over REST: weights, limits and pauses."""

from __future__ import annotations

import pytest

from tests.api.fleet import Fleet
from tests.api.served import Served


def part(door: Served, name: str) -> dict[str, object]:
    answer = door.get(f"/v1/queues/{name}")
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_every_part_with_jobs_is_listed_with_what_is_in_it(door: Served, fleet: Fleet) -> None:
    fleet.running_job()
    door.client.put("/v1/queues/label:team=a/b", json={"weight": 1})
    door.submit(priority="batch", labels={"team": "a/b"}, queue_by="team")
    listed = {each["name"]: (each["waiting"], each["running"]) for each in door.get("/v1/queues").json()["data"]}
    assert listed == {
        "all": (1, 1),
        "kind:inference": (1, 1),
        "class:normal": (0, 1),
        "class:batch": (1, 0),
        "key:": (1, 1),
        "label:team=a/b": (1, 0),
    }


def test_nobody_makes_shares_of_the_queue_by_inventing_labels(door: Served, fleet: Fleet) -> None:
    door.client.put("/v1/queues/label:team=a", json={"weight": 1})
    body = {"kind": "inference", "params": {"model": "echo", "prompt": "x"}, "queue_by": "team"}
    jobs = [{**body, "labels": {"team": team}} for team in ("a", "b", "c")]
    assert door.post("/v1/jobs/bulk", {"jobs": jobs}).status_code == 201
    shares = {job["labels"]["team"]: job["queue"] for job in door.get("/v1/jobs").json()["data"]}
    assert shares == {"a": "label:team=a", "b": "key:", "c": "key:"}


def test_a_part_keeps_what_was_not_changed(door: Served) -> None:
    assert door.client.put("/v1/queues/key:k1", json={"weight": 2.5}).json()["weight"] == 2.5
    changed = door.client.put("/v1/queues/key:k1", json={"max_running": 3}).json()
    assert (changed["weight"], changed["max_running"]) == (2.5, 3)
    assert door.client.put("/v1/queues/key:k1", json={"max_running": None}).json()["max_running"] is None


def test_a_part_is_paused_and_resumed(door: Served) -> None:
    name = "label:team=a/b"
    paused = door.post(f"/v1/queues/{name}/pause").json()
    assert paused["paused_at"] is not None
    assert door.post(f"/v1/queues/{name}/pause").json()["paused_at"] == paused["paused_at"]
    assert door.post(f"/v1/queues/{name}/resume").json()["paused_at"] is None
    assert part(door, name)["name"] == name


@pytest.mark.parametrize(
    "name",
    ["kind:inferense", "class:urgent", "nothing", "label:team", "all:", "label:%00=a", "label:a b=c", "key:%00"],
)
def test_what_is_no_part_is_refused_in_three_parts(door: Served, name: str) -> None:
    answer = door.post(f"/v1/queues/{name}/pause")
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert all(error[said] for said in ("what", "why", "fix"))


@pytest.mark.parametrize("change", [{"weight": 0}, {"weight": -1}, {"max_running": -1}, {"wait": 1}])
def test_a_senseless_change_is_refused(door: Served, change: dict[str, object]) -> None:
    assert door.client.put("/v1/queues/all", json=change).status_code == 422
