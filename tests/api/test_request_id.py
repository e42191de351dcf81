"""Every answer names its request."""

from __future__ import annotations

import pytest

from tests.api.served import Served


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/v1/responses/none", "/nothing", "/v1/chat/completions"])
def test_every_answer_has_an_id_of_its_own(door: Served, path: str) -> None:
    answers = [door.get(path) for _ in range(2)]
    names = {answer.headers["x-request-id"] for answer in answers}
    assert len(names) == 2
    assert all(answer.headers["request-id"] in names for answer in answers)


def test_what_the_gate_turns_away_has_one_too(door: Served) -> None:
    answer = door.get("/v1/models", headers={"Host": "elsewhere.example"})
    assert (answer.status_code, answer.headers["x-request-id"][:4]) == (400, "req_")


def test_a_plain_id_of_the_callers_is_used(door: Served) -> None:
    assert door.get("/health", headers={"x-request-id": "my-id.1"}).headers["x-request-id"] == "my-id.1"


@pytest.mark.parametrize("odd", ["a b", "x" * 65, "<script>", "a;b", ""])
def test_an_odd_id_of_the_callers_is_not(door: Served, odd: str) -> None:
    assert door.get("/health", headers={"x-request-id": odd}).headers["x-request-id"].startswith("req_")
