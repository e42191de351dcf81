"""Batches of real processes: nothing is lost, nothing is asked again that was answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.batches import chat, file_lines, hosts_of, survive, until_over, upload
from tests.recordings import tone
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


def test_recordings_are_heard_by_all_hosts_each_in_its_own_format(tmp_path: Path) -> None:
    url = "/v1/audio/transcriptions"
    tone(tmp_path / "hum.wav", 7)
    (tmp_path / "noise.wav").write_bytes(b"no recording")
    forms = ("json", "text", "srt", "vtt", "verbose_json")
    with running(tmp_path, hosts=("alpha", "beta")) as stack:
        hum, noise = (
            stack.http.post("/v1/files", files={"file": (name, (tmp_path / name).read_bytes())}).json()["id"]
            for name in ("hum.wav", "noise.wav")
        )
        # An engine that only echoes is done before a second one would be worth its memory.
        models = ("echo@alpha", "echo@beta")
        bodies = [{"model": models[n % 2], "file": hum, "response_format": forms[n % 5]} for n in range(30)]
        lines = [{"custom_id": str(n), "url": url, "body": body} for n, body in enumerate(bodies)]
        lines.append({"custom_id": "noise", "url": url, "body": {"model": "echo", "file": noise}})
        batch = until_over(stack, upload(stack, lines, endpoint=url)["id"])
        assert batch["request_counts"] == {"total": 31, "completed": 30, "failed": 1}
        said = {line["custom_id"]: line["response"]["body"] for line in file_lines(stack, batch["output_file_id"])}
        assert sorted(said, key=int) == [str(n) for n in range(30)]
        assert said["0"]["usage"] == {"type": "duration", "seconds": 7}
        assert said["1"].strip() == said["0"]["text"]
        assert said["2"].startswith("1\n00:00:00,000 --> 00:00:05,000\n")
        assert said["3"].startswith("WEBVTT\n")
        assert (said["4"]["duration"], len(said["4"]["segments"])) == (7, 2)
        [error] = file_lines(stack, batch["error_file_id"])
        assert (error["custom_id"], error["response"]["status_code"]) == ("noise", 400)
        assert hosts_of(stack, batch) == {"alpha", "beta"}
        [row] = stack.get("/v1/usage")["data"]
        assert row["audio"] == 30 * 7
