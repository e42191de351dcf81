"""A claim that goes wrong costs its own messages, and not the lane."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.protocol import AttemptRef
from tests.frontdoor import WireFrontDoor
from workers.execute import Executor
from workers.frontdoor import FrontDoor
from workers.main import Worker
from workers.outbox import Outbox
from workers.pipe import Line, Start, Synced
from workers.power.share import Share


@pytest.fixture
def executor(client: FrontDoor, tmp_path: Path) -> Iterator[Executor]:
    outbox = Outbox(client, "wk_1", tmp_path / "spool", lambda _: None)
    executor = Executor(
        client, outbox, "wk_1", tmp_path, tmp_path / "models", on_crash=lambda _: None, share=Share(None)
    )
    executor.start()
    yield executor
    executor.stop(0.0)


def hint(executor: Executor, job: str) -> None:
    """As the lane's threads do, which wait for nothing else."""
    lane = threading.Thread(target=executor.on_message, args=(job, 1), daemon=True)
    lane.start()
    lane.join(60)
    assert not lane.is_alive(), "nobody decided the claim"


def test_an_answer_that_cannot_be_read_leaves_the_lane_alive(executor: Executor, door: WireFrontDoor) -> None:
    door.answers["/claim"] = lambda _: (200, {"assignments": "?"})
    hint(executor, "job_1")
    door.answers["/claim"] = lambda _: (200, {"assignments": [], "lease_seconds": 10.0})
    hint(executor, "job_2")
    assert [body["attempts"][0]["job_id"] for body in door.bodies("/claim")] == ["job_1", "job_2"]


def test_an_error_that_nobody_knows_leaves_the_lane_alive(executor: Executor, client: FrontDoor) -> None:
    client.close()
    hint(executor, "job_1")
    hint(executor, "job_2")


def test_slots_that_people_use_are_told_to_what_runs_beside_them(door: WireFrontDoor, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        endpoint = {"url": url, "served_name": "m", "slots": 4, "context": 4096}
        run = {"run_id": "run_1", "generation": 1, "endpoint": endpoint}
        asked = {"kind": "inference", "params": {"model": "m", "prompt": "x"}, "priority": "normal"}
        claimed = {
            "assignments": [{"job_id": "job_1", "attempt": 1, **asked, "slots": 4, "run": run}],
            "lease_seconds": 9.0,
        }
        door.answers["/claim"] = lambda _: (200, claimed)
        worker = _worker(door, tmp_path)
        executor = worker._executor
        executor.start()
        hint(executor, "job_1")
        for told, attended in (({"run_1": 3, "run_2": 2}, 3), ({"run_2": 2}, 0)):
            worker._hear(Synced(attended=told))
            assert [context.attended for context in executor._live.values()] == [attended]
        executor.cancel(AttemptRef(job_id="job_1", attempt=1))
        executor.stop(30.0)
        worker._front_door.close()
        assert executor.statuses() == []


def _worker(door: WireFrontDoor, home: Path) -> Worker:
    """One whose lane and agent are silent."""
    start = Start(
        worker="wk_1",
        runtime="echo",
        host="studio",
        front_door=door.url,
        token=SecretStr("secret"),
        redis_url=SecretStr("redis://127.0.0.1:1"),
        namespace="test",
        drain_seconds=0.0,
        spool=str(home / "spool"),
        scratch=str(home),
        models=str(home / "models"),
    )
    return Worker(start, Line(BytesIO()))
