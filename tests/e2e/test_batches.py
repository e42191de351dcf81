"""Batches of real processes: nothing is lost, nothing is asked again that was answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.batches import chat, file_lines, hosts_of, survive, until_over, upload
from tests.recordings import tone
from tests.stack import Stack, running
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

_TOTAL = 320
_HOSTS = ("alpha", "beta")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two hosts that stay up."""
    with running(tmp_path_factory.mktemp("batches"), hosts=_HOSTS) as stack:
        yield stack


def _ears(stack: Stack, host: str) -> None:
    """A run there that takes a second for each recording, and has two slots."""
    spec = {"slots": 2, "keep_alive": -1, "params": {"latency_ms": 1000}}
    run = stack.post("/v1/runs", {"model": "echo", "capability": "transcribe", "host": host, "spec": spec})
    eventually(lambda: stack.get(f"/v1/runs/{run['id']}")["state"] == "ready")


def _recording(stack: Stack, folder: Path, seconds: int) -> str:
    """The id of an uploaded one of that length."""
    file = folder / tone(folder / f"{seconds}.wav", seconds)
    sent = stack.http.post("/v1/files", files={"file": (file.name, file.read_bytes())})
    return str(sent.json()["id"])


def test_a_batch_survives_a_dead_host_and_a_restarted_front_door(tmp_path: Path) -> None:
    with running(tmp_path, hosts=_HOSTS) as stack:
        lines = [chat(f"line-{n}", f"word {n}", echo={"latency_ms": 1500}) for n in range(_TOTAL)]
        batch = survive(stack, upload(stack, lines, metadata={"for": "test"}), _TOTAL)
        said = file_lines(stack, batch["output_file_id"])
        assert (batch["status"], batch["metadata"], batch["error_file_id"]) == ("completed", {"for": "test"}, None)
        assert batch["request_counts"] == {"total": _TOTAL, "completed": _TOTAL, "failed": 0}
        assert [line["custom_id"] for line in said] == [line["custom_id"] for line in lines]
        assert {line["response"]["body"]["model"] for line in said} == {"echo"}


def test_recordings_survive_a_dead_host_and_a_restarted_front_door(tmp_path: Path) -> None:
    url, lengths = "/v1/audio/transcriptions", (5, 10, 15, 20)
    with running(tmp_path, hosts=_HOSTS) as stack:
        for host in _HOSTS:
            _ears(stack, host)
        files = [_recording(stack, tmp_path, seconds) for seconds in lengths]
        lines = [
            {"custom_id": f"tape-{n}", "url": url, "body": {"model": "echo", "file": files[n % 4]}} for n in range(64)
        ]
        batch = survive(stack, upload(stack, lines, endpoint=url), 64)
        assert (batch["status"], batch["error_file_id"]) == ("completed", None)
        assert batch["request_counts"] == {"total": 64, "completed": 64, "failed": 0}
        said = file_lines(stack, batch["output_file_id"])
        assert [line["custom_id"] for line in said] == [line["custom_id"] for line in lines]
        heard = [line["response"]["body"]["usage"]["seconds"] for line in said]
        assert heard == [lengths[n % 4] for n in range(64)]
        [row] = stack.get("/v1/usage")["data"]
        assert row["audio"] == sum(heard), "each recording is paid for once"


def test_bad_lines_are_told_and_the_rest_is_answered(stack: Stack) -> None:
    bad = ["{broken", chat("no-model", model="nope"), {**chat("elsewhere"), "url": "/v1/embeddings"}]
    batch = until_over(stack, upload(stack, [chat("a", "one"), *bad, chat("b", "two")])["id"])
    assert batch["request_counts"] == {"total": 5, "completed": 2, "failed": 3}
    assert (batch["model"], batch["usage"]["output_tokens"]) == ("echo", 2), "of what was answered"
    said = {line["custom_id"]: line["response"]["body"] for line in file_lines(stack, batch["output_file_id"])}
    assert {name: body["choices"][0]["message"]["content"] for name, body in said.items()} == {
        "a": "one",
        "b": "two",
    }
    errors = {line["custom_id"]: line["response"] for line in file_lines(stack, batch["error_file_id"])}
    assert {name: answer["status_code"] for name, answer in errors.items()} == {
        None: 400, "no-model": 404, "elsewhere": 400,
    }  # fmt: skip


def test_responses_are_answered_as_responses(stack: Stack) -> None:
    url = "/v1/responses"
    lines = [{"custom_id": word, "url": url, "body": {"model": "echo", "input": word}} for word in ("one", "two")]
    batch = until_over(stack, upload(stack, lines, endpoint=url)["id"])
    said = {line["custom_id"]: line["response"]["body"] for line in file_lines(stack, batch["output_file_id"])}
    assert {name: (body["object"], body["output"][0]["content"][0]["text"]) for name, body in said.items()} == {
        "one": ("response", "one"),
        "two": ("response", "two"),
    }


def test_recordings_are_heard_by_all_hosts_each_in_its_own_format(stack: Stack, tmp_path: Path) -> None:
    url = "/v1/audio/transcriptions"
    tone(tmp_path / "hum.wav", 7)
    (tmp_path / "noise.wav").write_bytes(b"no recording")
    forms = ("json", "text", "srt", "vtt", "verbose_json")
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
    assert hosts_of(stack, batch) == set(_HOSTS)
    [row] = stack.get("/v1/usage")["data"]
    assert row["audio"] == 30 * 7
