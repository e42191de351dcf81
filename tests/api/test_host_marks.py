"""Labels, taints and maintenance of hosts over REST."""

from __future__ import annotations

from tests.api.fleet import Fleet
from tests.api.served import Served


def test_labels_are_merged_and_taints_replaced(door: Served, fleet: Fleet) -> None:
    first = door.client.patch("/v1/hosts/studio", json={"labels": {"room": "cellar", "x": "1"}, "taints": ["gpu=lent"]})
    assert (first.json()["labels"], first.json()["taints"]) == ({"room": "cellar", "x": "1"}, ["gpu=lent"])
    second = door.client.patch("/v1/hosts/studio", json={"labels": {"x": None}})
    assert (second.json()["labels"], second.json()["taints"]) == ({"room": "cellar"}, ["gpu=lent"])
    fleet.register(labels={"given": "yes"})
    assert door.get("/v1/hosts/studio").json()["labels"] == {"room": "cellar", "given": "yes"}


def test_a_mark_that_is_none_is_refused(door: Served, fleet: Fleet) -> None:
    assert door.client.patch("/v1/hosts/studio", json={"taints": ["=x"]}).status_code == 422
    assert door.client.patch("/v1/hosts/none", json={"labels": {"a": "b"}}).status_code == 404


def test_maintenance_drains_with_a_reason_until_it_is_over(door: Served, fleet: Fleet) -> None:
    assert door.post("/v1/hosts/studio/maintenance", {"reason": "new fan"}).json()["maintenance"] == "new fan"
    assert fleet.sync().draining
    assert door.post("/v1/hosts/studio/uncordon").json()["maintenance"] is None
    assert not fleet.sync().draining


def test_a_selector_that_no_host_has_is_refused_with_the_nearest(door: Served, fleet: Fleet) -> None:
    door.client.patch("/v1/hosts/studio", json={"labels": {"room": "cellar"}})
    body = {"kind": "inference", "params": {"model": "echo", "prompt": "x"}}
    placed = {**body, "placement": {"selector": {"room": "cellar"}, "avoid": "team"}, "labels": {"team": "a"}}
    job = door.post("/v1/jobs", placed).json()
    assert job["placement"] == {"selector": {"room": "cellar"}, "avoid": "team=a"}
    refused = door.post("/v1/jobs", {**body, "placement": {"selector": {"room": "celar"}}})
    assert refused.status_code == 422
    assert refused.json()["error"]["details"]["nearest"] == ["room=cellar"]
    assert door.post("/v1/jobs", {**body, "queue_by": "team"}).status_code == 422
    assert door.post("/v1/jobs", {**body, "deadline": "1s", "not_before": "1h"}).status_code == 422
