"""Placement with real processes: shares, pauses, selectors, schedules, and work that gives way."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from shared.tables import Attempt, Job, Result
from tests.stack import Stack, running
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

HOSTS = ("alpha", "beta")


@pytest.fixture(scope="module")
def one_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("placement")) as stack:
        yield stack


@pytest.fixture
def stack(one_stack: Stack) -> Iterator[Stack]:
    """The stack of all tests that need none of their own; after each, nothing is paused or limited there."""
    yield one_stack
    for part in one_stack.get("/v1/queues")["data"]:
        if part["paused_at"] is not None:
            one_stack.post(f"/v1/queues/{part['name']}/resume")
        if part["max_running"] is not None:
            one_stack.http.put(f"/v1/queues/{part['name']}", json={"max_running": None}).raise_for_status()


def _requests(count: int, milliseconds: int) -> list[dict[str, Any]]:
    return [
        {"messages": [{"role": "user", "content": f"item {n}"}], "echo": {"latency_ms": milliseconds}}
        for n in range(count)
    ]


def _queue(stack: Stack, prompt: str = "hello", **more: Any) -> str:
    params = {"model": "echo", "prompt": prompt, "stream": False}
    return str(stack.post("/v1/jobs", {"kind": "inference", "params": params, **more})["id"])


def _small_run(stack: Stack, slots: int = 1) -> None:
    """The only run there will be, pinned, with few slots."""
    run = stack.post("/v1/runs", {"model": "echo", "spec": {"slots": slots, "pinned": True}})
    eventually(lambda: stack.get(f"/v1/runs/{run['id']}")["state"] == "ready", 30)


def _states(stack: Stack, ids: list[str]) -> list[str]:
    return [stack.job(job_id)["state"] for job_id in ids]


def test_a_batch_gives_way_to_an_interactive_job_and_redoes_nothing(tmp_path: Path) -> None:
    with running(tmp_path, environment={"CIDERMILL_MEMORY": "300MiB"}) as stack:
        spec = {"slots": 1}
        batch = stack.post(
            "/v1/jobs",
            {
                "kind": "inference",
                "priority": "batch",
                "params": {"model": "echo", "requests": _requests(64, 300), "spec": spec},
            },
        )["id"]
        eventually(lambda: stack.job(batch)["items_done"] >= 5, 40)
        urgent = stack.post(
            "/v1/jobs",
            {
                "kind": "inference",
                "priority": "interactive",
                "params": {"model": "echo", "prompt": "now", "stream": False, "spec": spec},
            },
        )["id"]
        assert stack.wait(urgent)["state"] == "succeeded"
        assert stack.job(batch)["items_done"] < 64, "the batch was not in the way"
        job = stack.wait(batch, 60)
        assert (job["state"], job["failures"], job["crashes"], job["preemptions"]) == ("succeeded", 0, 0, 1)
        assert [a["state"] for a in job["attempts"]] == ["abandoned", "succeeded"]
        with stack.database.read() as session:
            rows = session.execute(select(Result.index, Result.attempt).where(Result.job_id == batch)).all()
        assert sorted(index for index, _ in rows) == list(range(64))
        assert {attempt for _, attempt in rows} == {1, 2}


def test_a_paused_part_waits_and_the_rest_goes_on(stack: Stack) -> None:
    stack.post("/v1/queues/label:team=a/pause")
    held = _queue(stack, labels={"team": "a"})
    free = _queue(stack, labels={"team": "b"})
    assert stack.wait(free, 30)["state"] == "succeeded"
    eventually(lambda: (stack.job(held)["blocked_by"] or {}).get("code") == "paused")
    said = stack.get(f"/v1/jobs/{held}/explain")
    assert (said["state"], said["code"]) == ("queued", "paused")
    stack.post("/v1/queues/label:team=a/resume")
    assert stack.wait(held)["state"] == "succeeded"


def test_a_limit_is_never_exceeded(stack: Stack) -> None:
    stack.http.put("/v1/queues/kind:inference", json={"max_running": 1}).raise_for_status()
    ids = [stack.submit("inference", model="echo", requests=_requests(1, 300), stream=False) for _ in range(4)]
    for job_id in ids:
        assert stack.wait(job_id, 40)["state"] == "succeeded"
    with stack.database.read() as session:
        query = select(Attempt.assigned_at, Attempt.ended_at).where(Attempt.job_id.in_(ids))
        spans = sorted(session.execute(query).all())
    assert len(spans) >= len(ids)
    assert all(ended <= begun for (_, ended), (begun, _) in pairwise(spans))


def test_selectors_and_taints_say_where_work_goes(tmp_path: Path) -> None:
    with running(tmp_path, hosts=HOSTS) as stack:
        stack.http.patch("/v1/hosts/beta", json={"labels": {"room": "cellar"}}).raise_for_status()
        chosen = [_queue(stack, placement={"selector": {"room": "cellar"}}) for _ in range(2)]
        assert [stack.wait(job, 30)["attempts"][0]["host"] for job in chosen] == ["beta", "beta"]
        stack.http.patch("/v1/hosts/beta", json={"taints": ["quiet=night"]}).raise_for_status()
        assert stack.wait(_queue(stack), 30)["attempts"][0]["host"] == "alpha"
        loud = _queue(stack, placement={"selector": {"room": "cellar"}})
        eventually(lambda: (stack.job(loud)["blocked_by"] or {}).get("code") == "host_tainted")
        bears = _queue(stack, placement={"selector": {"room": "cellar"}, "tolerations": ["quiet=night"]})
        assert stack.wait(bears, 30)["attempts"][0]["host"] == "beta"
        refused = stack.http.post(
            "/v1/jobs",
            json={
                "kind": "inference",
                "params": {"model": "echo", "prompt": "?"},
                "placement": {"selector": {"room": "cellat"}},
            },
        )
        assert refused.status_code == 422
        assert refused.json()["error"]["details"]["nearest"] == ["room=cellar"]


def test_a_schedule_fires_once_for_each_time(stack: Stack) -> None:
    job = {"kind": "inference", "params": {"model": "echo", "prompt": "tick", "stream": False}}
    kept = stack.post("/v1/schedules", {"name": "tick", "cron": "*/2 * * * * *", "job": job})

    def fired() -> list[dict[str, Any]]:
        return [job for job in stack.get("/v1/jobs")["data"] if job["schedule"] == kept["id"]]

    eventually(lambda: len([job for job in fired() if job["state"] == "succeeded"]) >= 3, 30)
    stack.post("/v1/schedules/tick/pause")
    shown = stack.get("/v1/schedules/tick")
    with stack.database.read() as session:
        keys = session.scalars(select(Job.idempotency_key).where(Job.schedule == kept["id"])).all()
    times = sorted(int(str(key).rpartition(":")[2]) for key in keys)
    assert [time % 2 for time in times] == [0] * len(times)
    assert len(set(times)) == len(times)
    assert (shown["error"], shown["paused"]) == (None, True)
    assert shown["last_job"] in {job["id"] for job in fired()}


def test_a_job_whose_deadline_passes_fails_with_the_cause(stack: Stack) -> None:
    stack.post("/v1/queues/all/pause")
    job_id = _queue(stack, deadline="2s")
    job = stack.wait(job_id)
    assert (job["state"], job["error"]["code"]) == ("failed", "deadline_passed")


def test_two_labels_share_two_to_one(tmp_path: Path) -> None:
    """300 jobs of two teams on one slot: of the first two thirds that end, twice as many are of the heavy one."""
    with running(tmp_path) as stack:
        _small_run(stack)
        for team, weight in (("heavy", 2), ("light", 1)):
            stack.http.put(f"/v1/queues/label:team={team}", json={"weight": weight}).raise_for_status()
        stack.post("/v1/queues/all/pause")
        bodies = [
            {
                "kind": "inference",
                "params": {"model": "echo", "prompt": f"{n}", "stream": False, "spec": {"slots": 1}},
                "labels": {"team": "heavy" if n % 2 else "light"},
                "queue_by": "team",
            }
            for n in range(300)
        ]
        stack.post("/v1/jobs/bulk", {"jobs": bodies})
        stack.post("/v1/queues/all/resume")

        def over() -> list[dict[str, Any]]:
            return list(stack.get("/v1/jobs?limit=1000&state=succeeded")["data"])

        eventually(lambda: len(over()) == 300, 120, rarest=1.0)
        first = sorted(over(), key=lambda job: job["started_at"])[:210]
        heavy = sum(job["labels"]["team"] == "heavy" for job in first)
        assert heavy / len(first) == pytest.approx(2 / 3, abs=2 / 3 * 0.05)
