"""A host speaks for itself: with its token, and all that it could learn of another, it changes nothing there."""

from __future__ import annotations

from typing import Any

import pytest

from shared import keys
from shared.protocol import AttemptRef, RunRef
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served


@pytest.fixture
def mini(door: Served, fleet: Fleet) -> Fleet:
    """Another host, whose worker is called as that of the first."""
    other = Fleet(door, "mini")
    other.register()
    return other


@pytest.fixture
def work(door: Served, fleet: Fleet) -> tuple[AttemptRef, RunRef]:
    """What the first host does: a job, and the run it is on."""
    run = fleet.ready_run()
    ref = fleet.assign(door.submit(), run.run_id)
    assert fleet.claim(ref)
    return ref, run


_ENDPOINT = {"url": "http://127.0.0.1:9", "served_name": "mine", "slots": 4, "context": 4096}


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/items", {"items": [{"index": 0, "data": "forged"}]}),
        ("/items/recall", {}),
        ("/output", {"text": "forged", "log": ["forged"]}),
        ("/finish", {"outcome": "succeeded", "result": {"text": "forged"}}),
        ("/runs/tend", {}),
        ("/runs/report", {"event": "ready", "endpoint": _ENDPOINT}),
        ("/runs/report", {"event": "stopped"}),
        ("/runs/acquire", {"request": "r", "model": "echo", "runtime": "echo"}),
        ("/runs/release", {}),
        ("/models/verified", {"model_id": "echo", "files": [], "damaged": []}),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_host_changes_no_work_of_another(
    door: Served, fleet: Fleet, mini: Fleet, work: tuple[AttemptRef, RunRef], path: str, more: dict[str, Any]
) -> None:
    ref, run = work
    before = _seen(door, ref, run)
    named: dict[str, Any] = {**ref.model_dump(), **run.model_dump(), "worker": fleet.worker, **more}
    if path == "/finish":
        named = {"worker": fleet.worker, "attempts": [{**ref.model_dump(), **more}]}
    answer = mini.call(path, named)
    assert answer.status_code in (200, 404, 409), answer.text
    assert (
        answer.json() in ({"accepted": False}, {"verdicts": ["stale"]})
        or "error" in answer.json()
        or (answer.json().get("action") in ("stop", "nothing"))
    )
    assert _seen(door, ref, run) == before
    assert "forged" not in door.get(f"/v1/jobs/{ref.job_id}/logs").text


def _seen(door: Served, ref: AttemptRef, run: RunRef) -> tuple[Any, Any, Any]:
    """What people see of the work, without what changes by itself."""
    job, shown = door.get(f"/v1/jobs/{ref.job_id}").json(), door.get(f"/v1/runs/{run.run_id}").json()
    facts = {name: shown[name] for name in ("state", "host", "endpoint", "generation") if name in shown}
    return (job["state"], job["result"], job["items_done"]), facts, len(door.get("/v1/runs").json()["data"])


def test_a_host_is_told_of_no_work_of_another(door: Served, mini: Fleet, work: tuple[AttemptRef, RunRef]) -> None:
    ref, run = work
    told = mini.sync(
        attempts=[{**ref.model_dump(), "worker": mini.worker}], runs=[{**run.model_dump(), "worker": mini.worker}]
    )
    assert told.drop == [ref]
    assert mini.get("/models/shelf").json()["models"] == []


def test_a_host_buries_no_worker_and_no_run_of_another(
    door: Served, fleet: Fleet, mini: Fleet, work: tuple[AttemptRef, RunRef]
) -> None:
    ref, run = work
    before = _seen(door, ref, run)
    mini.sync(dead_workers=[fleet.worker], dead_runs=[run.model_dump()])
    mini.register(boot_id="boot-2")
    assert _seen(door, ref, run) == before


@pytest.mark.parametrize("field", ["engine_url", "peer_url"])
@pytest.mark.parametrize("url", ["http://169.254.169.254:80", "https://127.0.0.1:9", "http://127.0.0.1:9/admin?do="])
def test_a_host_sends_neither_the_front_door_nor_its_peers_elsewhere(mini: Fleet, field: str, url: str) -> None:
    refused = mini.call("/register", mini.registration(**{field: url}))
    assert refused.status_code == 403
    assert refused.json()["error"]["fix"]


def test_a_host_from_elsewhere_is_not_taken_for_the_front_doors_own(open_door: Opener) -> None:
    door = open_door(host_name="studio", trusted_proxies=["127.0.0.1"], require_keys=True)
    with door.database.write() as session:
        door.client.headers["Authorization"] = f"Bearer {keys.create(session, 'macs', 'worker')[1]}"
    rogue = Fleet(door, "studio")
    assert rogue.call("/register", rogue.registration(), **{"X-Forwarded-For": "192.0.2.7"}).status_code == 403
