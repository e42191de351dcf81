"""What an attempt says on its way."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.protocol import Assignment
from shared.vocabulary import Priority
from tests.frontdoor import wire_front_door
from workers.context import AttemptContext
from workers.frontdoor import FrontDoor
from workers.outbox import Outbox
from workers.store import host_store


@pytest.mark.parametrize("line", ["a name with \ud83d", "a name"])
def test_words_that_cannot_be_told_do_not_end_the_attempt(tmp_path: Path, line: str) -> None:
    with wire_front_door() as door:
        door.answers["/output"] = lambda _: (200, {"accepted": True})
        client = FrontDoor(door.url, SecretStr("secret"))
        outbox = Outbox(client, "wk_1", tmp_path / "spool", lambda _: None)
        assignment = Assignment(job_id="job_1", attempt=1, kind="scan", params={}, priority=Priority.NORMAL, slots=1)
        context = AttemptContext(assignment, client, outbox, host_store(tmp_path / "models"), "wk_1", tmp_path)
        context.log(line)
        context.raise_if_cancelled()
        client.close()
