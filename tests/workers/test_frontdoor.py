"""What the front door answers, and what is said to it, becomes an error of ours where it cannot be read."""

from __future__ import annotations

import pytest

from shared.errors import BadRequest, CidermillError, Unavailable
from shared.protocol import AttemptRef, Claim, Item, Items, Output
from tests.frontdoor import WireFrontDoor
from workers.frontdoor import FrontDoor


def nested(levels: int) -> object:
    value: object = "deep inside"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("answer", [{}, {"assignments": [nested(250)], "lease_seconds": 10}, {"assignments": "hidden"}])
def test_an_answer_that_cannot_be_read_is_told_without_its_content(
    door: WireFrontDoor, client: FrontDoor, answer: dict[str, object]
) -> None:
    door.answers["/claim"] = lambda _: (200, answer)
    with pytest.raises(CidermillError, match="cannot be read") as raised:
        client.claim(Claim(worker="wk_1", attempts=[AttemptRef(job_id="job_1", attempt=1)]))
    assert not isinstance(raised.value, Unavailable), "asking again cannot help"
    assert "hidden" not in str(raised.value)
    assert "deep inside" not in str(raised.value)


def test_what_cannot_be_written_is_told(client: FrontDoor) -> None:
    with pytest.raises(BadRequest, match="half a character"):
        client.output(Output(job_id="job_1", attempt=1, worker="wk_1", text="a\ud83d"))
    with pytest.raises(BadRequest, match="too deep"):
        client.items(Items(job_id="job_1", attempt=1, worker="wk_1", items=[Item(index=0, data=nested(300))]))
