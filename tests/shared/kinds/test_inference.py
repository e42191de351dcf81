"""The inference kind, against real echo runs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.errors import Cancelled, EngineFailed, InvalidInput, NotFound, RunDied
from shared.kinds.inference import Inference
from shared.opening import Opening
from shared.vocabulary import Capability
from tests.kinds import LocalCatalog, LocalContext, LocalItems
from tests.runs import running
from tests.waiting import soon
from workers.process import RunProcess


@pytest.fixture(scope="module")
def echo() -> Iterator[RunProcess]:
    with running("echo", slots=8) as process:
        yield process


def chat(text: str, /, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **fields}


def many(requests: list[dict[str, Any]], **fields: Any) -> Inference:
    return Inference.model_validate({"model": "echo", "requests": requests, **fields})


def lines_of(context: LocalContext, file_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in context.files.lines(file_id)]


def test_a_prompt_is_answered_and_streamed_to_those_who_watch(tmp_path: Path, echo: RunProcess) -> None:
    context = LocalContext(tmp_path, echo.endpoint)
    asked = {"model": "echo", "prompt": "one two three", "defaults": {"echo": {"itl_ms": 100}}}
    data = Inference.model_validate(asked).run(context).data
    assert data["text"] == "one two three"
    assert data["finish_reason"] == "stop"
    assert (data["prompt_tokens"], data["completion_tokens"], data["items"]) == (3, 3, 1)
    assert context.emitted == ["one", " two", " three"]
    assert context.progresses[-1][0] == 3
    assert list(tmp_path.iterdir()) == []


def test_a_streamed_response_equals_the_whole_one(tmp_path: Path, echo: RunProcess) -> None:
    streamed, whole = (
        Inference(model="echo", prompt="the same words", stream=stream)
        .run(LocalContext(tmp_path, echo.endpoint))
        .data["response"]
        for stream in (True, False)
    )
    assert streamed["choices"][0]["message"]["content"] == whole["choices"][0]["message"]["content"]
    assert streamed["usage"] == whole["usage"]
    assert streamed["object"] == whole["object"] == "chat.completion"


def test_nothing_is_streamed_when_nobody_wants_it(tmp_path: Path, echo: RunProcess) -> None:
    context = LocalContext(tmp_path, echo.endpoint)
    assert Inference(model="echo", prompt="quiet", stream=False).run(context).data["text"] == "quiet"
    assert context.emitted == []


def test_a_large_response_becomes_a_file(tmp_path: Path, echo: RunProcess) -> None:
    context = LocalContext(tmp_path, echo.endpoint)
    kind = many([chat("word" * 16, echo={"tokens": 5_000})], stream=False)
    data = kind.run(context).data
    assert "response" not in data
    with context.files.open(data["output_file"]) as file:
        assert json.load(file)["usage"]["completion_tokens"] == 5_000


def test_a_batch_of_every_shape_keeps_the_order_of_its_input(tmp_path: Path, echo: RunProcess) -> None:
    context = LocalContext(tmp_path, echo.endpoint)
    requests = [
        chat("slow one", custom_id="a", echo={"latency_ms": 120}),
        {"prompt": "a completion", "custom_id": "b"},
        {"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": chat("batch line", stream=True)},
    ]
    data = many(requests).run(context).data
    lines = lines_of(context, data["output_file"])
    assert [(line["index"], line["custom_id"]) for line in lines] == [(0, "a"), (1, "b"), (2, "c")]
    assert lines[0]["response"]["choices"][0]["message"]["content"] == "slow one"
    assert lines[1]["response"]["choices"][0]["text"] == "a completion"
    assert data["succeeded"] == 3
    assert data["completion_tokens"] == 6
    assert context.progresses[-1][:3] == (3, 3, "items")


def test_embeddings_are_asked_for_in_one_job(tmp_path: Path, echo: RunProcess) -> None:
    context = LocalContext(tmp_path, echo.endpoint)
    kind = many([{"input": "north"}, {"input": ["south", "west"]}])
    assert kind.demand(LocalCatalog()).capability is Capability.EMBED
    lines = lines_of(context, kind.run(context).data["output_file"])
    assert [len(line["response"]["data"]) for line in lines] == [1, 2]


def test_chats_of_a_file_begin_as_the_job_says_unless_they_instruct_themselves(
    tmp_path: Path, echo: RunProcess
) -> None:
    said = [{"role": "user", "content": "one two"}]
    own = [{"role": "developer", "content": "be very very long"}, *said]
    bodies: list[dict[str, Any]] = [{"messages": said}, {"messages": own}, {"prompt": "one two"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(body) + "\n" for body in bodies))
    opening = Opening(system="be brief", messages=[{"role": "assistant", "content": "hello there you"}])
    asked = []
    for begun in (None, opening):
        context = LocalContext(tmp_path, echo.endpoint)
        data = Inference(model="echo", file="in.jsonl", opening=begun).run(context).data
        asked.append([line["usage"]["prompt_tokens"] for line in lines_of(context, data["output_file"])])
    assert asked == [[2, 6, 2], [2 + 2 + 3, 6 + 3, 2]]


def test_a_file_is_read_line_by_line_and_its_bad_lines_fail_alone(tmp_path: Path, echo: RunProcess) -> None:
    good = json.dumps(chat("fine", custom_id="good"))
    (tmp_path / "in.jsonl").write_text(f'{good}\n\n{{"broken\n{{"url": "/v2/none"}}\n{good}')
    context = LocalContext(tmp_path, echo.endpoint)
    kind = Inference(model="echo", file="in.jsonl", defaults={"max_tokens": 1})
    data = kind.run(context).data
    assert (data["items"], data["succeeded"], data["failed"]) == (4, 2, 2)
    lines = lines_of(context, data["output_file"])
    assert "not JSON" in lines[1]["error"]["why"]
    assert "/v2/none" in lines[2]["error"]["why"]
    assert lines[3]["response"]["usage"]["completion_tokens"] == 1


def test_a_file_of_blank_lines_is_refused(tmp_path: Path, echo: RunProcess) -> None:
    (tmp_path / "in.jsonl").write_text("\n \n")
    with pytest.raises(InvalidInput, match="holds no requests"):
        Inference(model="echo", file="in.jsonl").run(LocalContext(tmp_path, echo.endpoint))


def test_a_refused_item_fails_alone(tmp_path: Path, echo: RunProcess) -> None:
    context = LocalContext(tmp_path, echo.endpoint)
    refused = chat("no", echo={"fail": "error", "status": 422})
    data = many([chat("yes"), refused, chat("yes")]).run(context).data
    assert (data["succeeded"], data["failed"]) == (2, 1)
    assert lines_of(context, data["output_file"])[1]["error"]["code"] == "invalid_input"


def test_a_job_fails_when_all_its_items_do(tmp_path: Path, echo: RunProcess) -> None:
    refused = chat("no", echo={"fail": "error", "status": 400})
    with pytest.raises(InvalidInput, match="All 2 requests failed"):
        many([refused, refused]).run(LocalContext(tmp_path, echo.endpoint))
    with pytest.raises(InvalidInput, match="answered 400: echo fails as told"):
        many([refused]).run(LocalContext(tmp_path, echo.endpoint))


def test_an_engine_that_stumbles_is_asked_again(tmp_path: Path, echo: RunProcess) -> None:
    stumbling = chat("twice is enough", echo={"fail": "error", "fail_times": 2})
    assert many([stumbling, chat("fine")]).run(LocalContext(tmp_path, echo.endpoint)).data["succeeded"] == 2


def test_failures_that_may_mend_are_left_to_another_attempt_when_all_fail(tmp_path: Path, echo: RunProcess) -> None:
    failing = chat("always", echo={"fail": "error"})
    context = LocalContext(tmp_path, echo.endpoint)
    with pytest.raises(EngineFailed):
        many([failing, failing]).run(context)
    assert not context.items.done


def test_a_request_that_takes_too_long_fails_alone(tmp_path: Path, echo: RunProcess) -> None:
    context = LocalContext(tmp_path, echo.endpoint)
    data = many([chat("hang", echo={"fail": "hang"}), chat("fine")], timeout=soon(1.0)).run(context).data
    assert (data["succeeded"], data["failed"]) == (1, 1)
    assert "in time" in lines_of(context, data["output_file"])[0]["error"]["what"]


def test_a_free_slot_is_refilled_at_once(tmp_path: Path, echo: RunProcess) -> None:
    stuck, quick = chat("stuck", echo={"fail": "hang"}), chat("quick")
    context = LocalContext(tmp_path, echo.endpoint)
    # Were there rounds, only the seven beside the stuck one would be done.
    context.items.then = lambda done: context.cancelled.set() if done == 56 else None
    with pytest.raises(Cancelled):
        many([stuck] + [quick] * 56, timeout=60).run(context)
    assert set(context.items.done) == set(range(1, 57))


def test_a_batch_survives_the_death_of_its_run_without_doing_an_item_twice(tmp_path: Path) -> None:
    # The first half is answered at once, the others take as long as the run lets them.
    requests = [chat(f"item {n}", **({"echo": {"latency_ms": 0}} if n < 20 else {})) for n in range(40)]
    kind, items = many(requests), LocalItems()
    with running("echo", slots=4, latency_ms=600_000) as doomed:
        items.then = lambda done: os.kill(doomed.pid, signal.SIGKILL) if done == 10 else None
        with pytest.raises(RunDied):
            kind.run(LocalContext(tmp_path, doomed.endpoint, items))
    survived = len(items.done)
    assert 10 <= survived <= 20
    with running("echo", slots=4) as fresh:
        context = LocalContext(tmp_path, fresh.endpoint, items, attempt=2)
        data = kind.run(context).data
    lines = lines_of(context, data["output_file"])
    assert [line["response"]["choices"][0]["message"]["content"] for line in lines] == [f"item {n}" for n in range(40)]
    assert [line["attempt"] for line in lines].count(1) == survived


@pytest.mark.parametrize("fail_after", [0, 3])
def test_a_run_that_dies_under_a_single_request_is_a_crash(tmp_path: Path, fail_after: int) -> None:
    crashing = chat("a b c d e f", echo={"fail": "crash", "fail_after": fail_after})
    with running("echo") as process, pytest.raises(RunDied) as died:
        many([crashing]).run(LocalContext(tmp_path, process.endpoint))
    assert died.value.crash
    assert died.value.retryable


def test_an_error_in_the_middle_of_a_stream_is_told(tmp_path: Path, echo: RunProcess) -> None:
    broken = chat("a b c d e f", echo={"fail": "error", "fail_after": 3})
    with pytest.raises(EngineFailed, match="echo fails as told"):
        many([broken]).run(LocalContext(tmp_path, echo.endpoint))


@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize("stream", [True, False])
def test_cancelling_takes_effect_while_the_engine_is_silent_and_frees_it(
    tmp_path: Path, count: int, stream: bool
) -> None:
    with running("echo", slots=2) as process, ThreadPoolExecutor() as pool:
        context = LocalContext(tmp_path, process.endpoint)
        kind = many([chat("a word, then nothing", echo={"fail": "hang", "fail_after": 1})] * count, stream=stream)
        attempt = pool.submit(kind.run, context)
        if stream and count == 1:
            assert context.spoke.wait(30)
        context.cancelled.set()
        with pytest.raises(Cancelled):
            attempt.result(60)
        after = LocalContext(tmp_path, process.endpoint)
        assert Inference(model="echo", prompt="free", stream=False, timeout=60).run(after).data["text"] == "free"


def test_a_kept_connection_that_its_run_closed_is_replaced(tmp_path: Path) -> None:
    kind = Inference(model="echo", prompt="again", stream=False)
    with running("echo") as first:
        kind.run(LocalContext(tmp_path, first.endpoint))
    with pytest.raises(RunDied):
        kind.run(LocalContext(tmp_path, first.endpoint))
    with running("echo") as second:
        assert kind.run(LocalContext(tmp_path, second.endpoint)).data["text"] == "again"


def test_the_demand_is_a_slot_for_each_request() -> None:
    catalog = LocalCatalog(files={"f": 10})
    assert Inference(model="echo", prompt="x").demand(catalog).slots == 1
    assert many([chat("x")] * 64).demand(catalog).slots == 64
    assert many([chat("x")] * 300).demand(catalog).slots == 256
    with pytest.raises(NotFound):
        Inference(model="echo", file="gone").demand(catalog)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "exactly one of prompt, requests and file"),
        ({"prompt": "x", "file": "y"}, "prompt and file"),
        ({"requests": [{"messages": []}]}, "requests[0]: messages must be a list"),
        ({"requests": [{"prompt": "x", "input": "y"}]}, "exactly one of messages, prompt and input"),
        ({"requests": [{"prompt": "x"}, {"input": "y"}]}, "submit two jobs"),
        ({"requests": [{"method": "GET", "url": "/v1/completions", "body": {"prompt": "x"}}]}, "POST"),
        ({"prompt": "x", "tiemout": 3}, "tiemout"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Inference.model_validate({"model": "echo", **params})
    assert said in str(refused.value)


@pytest.mark.parametrize("where", ["requests", "opening"])
def test_nothing_is_fetched_for_a_job(where: str) -> None:
    part = {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest"}}
    seen = {"role": "user", "content": [part]}
    asked = chat("hi") if where == "opening" else {"messages": [seen]}
    with pytest.raises(ValidationError, match="nothing is fetched"):
        many([asked], opening={"messages": [seen]} if where == "opening" else None)


def test_nothing_is_fetched_for_a_line_of_a_file(tmp_path: Path, echo: RunProcess) -> None:
    part = {"type": "image_url", "image_url": "file:///etc/passwd"}
    context = LocalContext(tmp_path, echo.endpoint)
    lines = [chat("hi"), {"messages": [{"role": "user", "content": [part]}]}]
    file = context.files.create("in.jsonl", BytesIO("\n".join(map(json.dumps, lines)).encode()), "application/jsonl")
    data = Inference(model="echo", file=file).run(context).data
    assert (data["succeeded"], data["failed"]) == (1, 1)
    assert "nothing is fetched" in json.dumps(lines_of(context, data["output_file"])[1])
