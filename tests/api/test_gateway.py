"""Chat completions through the front door, answered by a real engine."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx2
import pytest

from shared.runs import service
from shared.runs import state as runs
from shared.runtimes import InstalledModel, RunSpec
from shared.units import Bytes
from shared.vocabulary import Format
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.ports import own_port
from tests.waiting import eventually
from workers.process import RunProcess
from workers.runtimes.echo import RUNTIME

_CHAT = "/v1/chat/completions"
_SERVED = InstalledModel(id="x", name="served-echo", format=Format.ECHO, path="", size=Bytes(0))


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": text}], **more}


def chunks(answer: httpx2.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]", answer.text
    return [json.loads(line) for line in lines[:-1]]


def test_a_chat_is_answered_under_the_name_that_was_asked_for(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    answer = door.post(_CHAT, chat("hello there"))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["object"], body["model"]) == ("chat.completion", "echo")
    message = {"role": "assistant", "content": "hello there", "refusal": None, "annotations": []}
    assert body["choices"][0]["message"] == message
    assert body["usage"]["completion_tokens"] == 2


def test_a_chat_is_streamed_as_it_comes(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    answer = door.post(_CHAT, chat("one two three", stream=True, stream_options={"include_usage": True}))
    said = chunks(answer)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert {chunk["model"] for chunk in said} == {"echo"}
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in said if c["choices"])
    assert text.split() == ["one", "two", "three"]
    assert said[0]["choices"][0]["delta"]["role"] == "assistant"


def test_a_name_in_the_answer_that_is_no_field_stays(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    said = 'a "model":"served-echo" b'
    for stream in (False, True):
        answer = door.post(_CHAT, chat(said, stream=stream))
        if stream:
            text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks(answer) if c["choices"])
        else:
            text = answer.json()["choices"][0]["message"]["content"]
        assert text.split() == said.split()


@pytest.mark.parametrize(("engine_says", "client_reads"), [(422, 400), (418, 400), (503, 503), (500, 500)])
def test_what_the_engine_refuses_is_told(
    door: Served, fleet: Fleet, engine: str, engine_says: int, client_reads: int
) -> None:
    fleet.ready_run(engine)
    for stream in (False, True):
        answer = door.post(_CHAT, chat("x", stream=stream, echo={"fail": "error", "status": engine_says}))
        assert (answer.status_code, set(answer.json()["error"])) == (client_reads, {"message", "type", "param", "code"})


def test_an_engine_that_dies_is_unavailable_when_its_lease_is_over(open_door: Opener) -> None:
    door = open_door(host_name="studio", lease_seconds=1)
    fleet = Fleet(door, "studio")
    fleet.register()
    fleet.ready_run("http://127.0.0.1:1")
    answer = door.post(_CHAT, chat("x"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    answer = door.post(_CHAT, chat("x", stream=True))
    assert '"code":"unavailable"' in answer.text


def test_an_engine_elsewhere_is_not_called(door: Served, fleet: Fleet) -> None:
    fleet.ready_run("http://169.254.169.254:80")
    assert door.post(_CHAT, chat("x")).status_code == 503


def test_a_run_is_started_for_a_chat_and_comments_keep_it_waiting(door: Served, fleet: Fleet, engine: str) -> None:
    got: dict[bool, httpx2.Response] = {}

    def ask(stream: bool) -> None:
        got[stream] = door.post(_CHAT, chat("hi", stream=stream))

    threads = [threading.Thread(target=ask, args=(stream,)) for stream in (False, True)]
    for thread in threads:
        thread.start()
    eventually(lambda: door.get("/v1/runs").json()["data"])
    [run] = door.get("/v1/runs").json()["data"]
    assert (run["priority"], run["wanted_host"], run["state"]) == ("interactive", None, "pending")
    fleet.make_ready(run["id"], engine)
    for thread in threads:
        thread.join()
    assert got[False].json()["choices"][0]["message"]["content"] == "hi"
    assert chunks(got[True])
    assert len(door.get("/v1/runs").json()["data"]) == 1, "both share one run"


def test_a_slow_load_is_bridged_by_comments(door: Served, fleet: Fleet, engine: str) -> None:
    with door.client.stream("POST", _CHAT, json=chat("hi", stream=True)) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": keep-alive"
        [run] = door.get("/v1/runs").json()["data"]
        fleet.make_ready(run["id"], engine)
        assert any(line == "data: [DONE]" for line in lines)


def test_a_load_that_fails_says_why(door: Served, fleet: Fleet) -> None:
    got: list[httpx2.Response] = []
    thread = threading.Thread(target=lambda: got.append(door.post(_CHAT, chat("x"))))
    thread.start()
    eventually(lambda: door.get("/v1/runs").json()["data"])
    [run] = door.get("/v1/runs").json()["data"]
    ref = fleet.place(run["id"])
    fleet.tend(ref)
    error = {"code": "out_of_memory", "what": "It ran out of memory", "why": "9 GiB", "fix": "less context"}
    fleet.report(ref, "failed", error=error)
    thread.join()
    assert (got[0].status_code, got[0].json()["error"]["code"]) == (503, "out_of_memory")
    assert "less context" in got[0].json()["error"]["message"]


def test_without_a_host_here_nobody_can_answer(door: Served) -> None:
    answer = door.post(_CHAT, chat("x"))
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "server_error")
    assert "cidermill agent" in answer.json()["error"]["message"]


def test_a_run_in_use_is_not_evicted_and_is_free_again_afterwards(
    door: Served, fleet: Fleet, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long the machine stands still, the promise is renewed in time.
    monkeypatch.setattr(service, "HOLD", 600.0)
    ref = fleet.ready_run(engine)
    fence = fleet.lead()

    def evict() -> bool:
        with door.database.write() as session:
            return bool(runs.evict(session, fence, [ref.run_id], "test"))

    with door.client.stream(
        "POST", _CHAT, json=chat("x", stream=True, echo={"tokens": 100_000, "itl_ms": 20})
    ) as answer:
        next(answer.iter_lines())
        assert not evict()
    eventually(evict)


def test_when_the_client_leaves_the_engine_stops(door: Served, fleet: Fleet) -> None:
    process = RunProcess.start(RUNTIME.plan(RunSpec(slots=1), _SERVED, own_port()))
    try:
        process.wait_ready(RUNTIME.diagnose)
        fleet.ready_run(process.endpoint.url)
        slow = chat("x", stream=True, echo={"tokens": 100_000, "itl_ms": 50})
        with door.client.stream("POST", _CHAT, json=slow) as answer:
            next(answer.iter_lines())
        with pytest.raises(httpx2.ReadTimeout):
            door.client.post(_CHAT, json={**slow, "stream": False}, timeout=httpx2.Timeout(60, read=0.5))
        # Its only slot is free again: the two long answers were given up.
        assert door.post(_CHAT, chat("still there")).status_code == 200
    finally:
        process.stop()
