"""The echo engine does what its script says."""

from __future__ import annotations

import base64
import io
import json
import struct
import time
import wave
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from shared.errors import OutOfMemory, RunDied, UnsupportedModel
from shared.runtimes import RunSpec
from shared.sse import read_events
from shared.units import MIB
from tests.runs import ECHO, running
from workers.port import free_port
from workers.process import RunProcess
from workers.runtimes.echo import RUNTIME

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def echo() -> Iterator[RunProcess]:
    with running("echo") as process:
        yield process


def ask(process: RunProcess, path: str = "/v1/chat/completions", **body: Any) -> httpx2.Response:
    return httpx2.post(process.endpoint.url + path, json=body, timeout=60)


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": "be brief"}, {"role": "user", "content": text}]


def test_it_repeats_the_last_user_message(echo: RunProcess) -> None:
    reply = ask(echo, messages=said("hello big world")).json()
    assert reply["choices"][0]["message"]["content"] == "hello big world"
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["usage"] == {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def test_it_says_as_many_words_as_it_is_told(echo: RunProcess) -> None:
    reply = ask(echo, messages=said("a b"), echo={"tokens": 5}).json()
    assert reply["choices"][0]["message"]["content"] == "a b a b a"
    cut = ask(echo, messages=said("a b"), max_tokens=3, echo={"tokens": 5}).json()
    assert cut["choices"][0]["message"]["content"] == "a b a"
    assert cut["choices"][0]["finish_reason"] == "length"


def test_it_completes_a_prompt(echo: RunProcess) -> None:
    assert ask(echo, "/v1/completions", prompt="x y").json()["choices"][0]["text"] == "x y"


def test_the_same_text_has_the_same_vector_in_both_encodings(echo: RunProcess) -> None:
    plain = ask(echo, "/v1/embeddings", input=["a", "b", "a"]).json()["data"]
    assert plain[0]["embedding"] == plain[2]["embedding"] != plain[1]["embedding"]
    packed = ask(echo, "/v1/embeddings", input="a", encoding_format="base64").json()["data"][0]["embedding"]
    assert struct.unpack("<16f", base64.b64decode(packed)) == pytest.approx(plain[0]["embedding"])


def test_it_keeps_the_pace_of_its_script(echo: RunProcess) -> None:
    started = time.monotonic()
    ask(echo, messages=said("go"), echo={"latency_ms": 100, "itl_ms": 20, "tokens": 6})
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": said("x"), "echo": {"speed": 1}}])
def test_what_it_cannot_read_is_refused(echo: RunProcess, body: dict[str, Any]) -> None:
    answer = ask(echo, **body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_a_request_can_fail_twice_and_then_succeed(echo: RunProcess) -> None:
    script = {"fail": "error", "status": 503, "fail_times": 2}
    codes = [ask(echo, messages=said("only this one"), echo=script).status_code for _ in range(3)]
    assert codes == [503, 503, 200]


def test_a_stream_can_break_in_its_middle(echo: RunProcess) -> None:
    answer = ask(echo, messages=said("a b c d"), stream=True, echo={"fail": "error", "fail_after": 2})
    events = [event.data for event in read_events([answer.content])]
    assert "error" in json.loads(events[-2])
    assert len(events) == 1 + 2 + 2


def test_a_client_that_leaves_frees_its_slot() -> None:
    with running("echo", slots=1) as process:
        with pytest.raises(httpx2.TimeoutException):
            httpx2.post(
                f"{process.endpoint.url}/v1/chat/completions",
                json={"messages": said("x"), "echo": {"fail": "hang"}},
                timeout=0.3,
            )
        assert ask(process, messages=said("still there")).status_code == 200


@pytest.mark.parametrize(("how", "code"), [("crash", "run_died"), ("oom", "out_of_memory")])
def test_a_request_can_take_the_process_down(how: str, code: str) -> None:
    with running("echo") as process:
        with pytest.raises(httpx2.RemoteProtocolError):
            ask(process, messages=said("x"), echo={"fail": how})
        process.wait(60)
        assert RUNTIME.diagnose(process.exit_code, process.stderr_tail).code == code


@pytest.mark.parametrize(
    ("how", "error"), [("oom", OutOfMemory), ("unsupported", UnsupportedModel), ("crash", RunDied)]
)
def test_loading_can_fail(how: str, error: type[RunDied]) -> None:
    with pytest.raises(error), running("echo", fail_load=how):
        pass


def test_loading_can_hang() -> None:
    plan = RUNTIME.plan(RunSpec(params={"fail_load": "hang"}), ECHO, free_port())
    process = RunProcess.start(plan.model_copy(update={"ready_timeout": 1.0}))
    try:
        with pytest.raises(RunDied, match="not ready"):
            process.wait_ready(RUNTIME.diagnose)
    finally:
        process.stop()


def test_it_takes_the_memory_it_is_told_to() -> None:
    with running("echo", memory="128MiB") as process:
        usage = process.memory()
        assert usage is not None
        assert 128 * MIB < usage.current < 128 * MIB + RUNTIME.probe().base_memory


def test_it_hears_how_long_a_recording_is(echo: RunProcess) -> None:
    form = {"response_format": "srt", "offset": "4"}
    file = {"file": _silence(12)}
    srt = httpx2.post(f"{echo.endpoint.url}/v1/audio/transcriptions", files=file, data=form, timeout=60).text
    assert [line for line in srt.splitlines() if line.startswith("Segment")] == [
        "Segment 0.",
        "Segment 1.",
        "Segment 2.",
    ]
    assert "00:00:04,000 --> 00:00:05,000" in srt


def _silence(seconds: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(8000)
        recording.writeframes(bytes(16000 * seconds))
    return buffer.getvalue()
