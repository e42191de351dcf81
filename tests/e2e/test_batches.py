"""Batches of real processes: nothing is lost, nothing is asked again that was answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.batches import chat, file_lines, survive, until_over, upload
from tests.stack import running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_TOTAL = 320


def test_a_batch_survives_a_dead_host_and_a_restarted_front_door(tmp_path: Path) -> None:
    with running(tmp_path, hosts=("alpha", "beta")) as stack:
        lines = [chat(f"line-{n}", f"word {n}", echo={"latency_ms": 1500}) for n in range(_TOTAL)]
        batch = survive(stack, upload(stack, lines, metadata={"for": "test"}), _TOTAL)
        said = file_lines(stack, batch["output_file_id"])
        assert (batch["status"], batch["metadata"], batch["error_file_id"]) == ("completed", {"for": "test"}, None)
        assert batch["request_counts"] == {"total": _TOTAL, "completed": _TOTAL, "failed": 0}
        assert [line["custom_id"] for line in said] == [line["custom_id"] for line in lines]
        assert {line["response"]["body"]["model"] for line in said} == {"echo"}


def test_bad_lines_are_told_and_the_rest_is_answered(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        bad = ["{broken", chat("no-model", model="nope"), {**chat("elsewhere"), "url": "/v1/embeddings"}]
        batch = until_over(stack, upload(stack, [chat("a", "one"), *bad, chat("b", "two")])["id"])
        assert batch["request_counts"] == {"total": 5, "completed": 2, "failed": 3}
        said = {line["custom_id"]: line["response"]["body"] for line in file_lines(stack, batch["output_file_id"])}
        assert {name: body["choices"][0]["message"]["content"] for name, body in said.items()} == {
            "a": "one",
            "b": "two",
        }
        errors = {line["custom_id"]: line["response"] for line in file_lines(stack, batch["error_file_id"])}
        assert {name: answer["status_code"] for name, answer in errors.items()} == {
            None: 400, "no-model": 404, "elsewhere": 400,
        }  # fmt: skip


def test_responses_are_answered_as_responses(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        url = "/v1/responses"
        lines = [{"custom_id": word, "url": url, "body": {"model": "echo", "input": word}} for word in ("one", "two")]
        batch = until_over(stack, upload(stack, lines, endpoint=url)["id"])
        said = {line["custom_id"]: line["response"]["body"] for line in file_lines(stack, batch["output_file_id"])}
        assert {name: (body["object"], body["output"][0]["content"][0]["text"]) for name, body in said.items()} == {
            "one": ("response", "one"),
            "two": ("response", "two"),
        }
