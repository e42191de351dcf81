"""A claim that goes wrong costs its own messages, and not the lane."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.frontdoor import WireFrontDoor
from workers.execute import Executor
from workers.frontdoor import FrontDoor
from workers.outbox import Outbox
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
    lane.join(30)
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
