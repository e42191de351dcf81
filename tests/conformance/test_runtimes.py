"""What every runtime with a run process must do, tried on real processes with real models."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from cli.demo.material import TWO_CITIES
from shared.errors import ExecutionError, InvalidParameters, UnsupportedModel
from shared.runtimes import InstalledModel, RunSpec
from shared.sse import read_events
from shared.units import GIB
from shared.vocabulary import Format
from tests.conformance.engines import CHATTING, ENGINES, Engine
from tests.ports import own_port
from tests.processes import is_over
from tests.speech import AUDIO, word_error_rate
from tests.waiting import eventually
from workers.port import claim_check
from workers.process import RunProcess

_PATIENCE = 100.0

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


@pytest.fixture(scope="module")
def model(engine: Engine, folder: Path) -> InstalledModel:
    return engine.model(folder)


@pytest.fixture(scope="module")
def run(engine: Engine, model: InstalledModel) -> Iterator[RunProcess]:
    """A ready run, shared by the tests that leave it as it is."""
    process = _started(engine, model)
    yield process
    process.stop()


@pytest.fixture
def own_run(engine: Engine, model: InstalledModel) -> Iterator[RunProcess]:
    """A ready run that the test may kill."""
    process = _started(engine, model)
    yield process
    process.stop()


def _started(engine: Engine, model: InstalledModel) -> RunProcess:
    process = RunProcess.start(engine.runtime.plan(engine.spec, model, own_port()))
    try:
        process.wait_ready(engine.runtime.diagnose)
    except ExecutionError:
        process.stop()
        raise
    return process


def _chat(process: RunProcess, text: str, **body: Any) -> dict[str, Any]:
    answer = httpx2.post(
        f"{process.endpoint.url}/v1/chat/completions", json=_body(process, text, **body), timeout=_PATIENCE
    )
    assert answer.status_code == 200, answer.text
    reply: dict[str, Any] = answer.json()
    return reply


def _body(process: RunProcess, text: str, **body: Any) -> dict[str, Any]:
    return {
        "model": process.endpoint.served_name,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 8,
        "temperature": 0,
        **body,
    }


def _transcribe(process: RunProcess, **fields: str) -> httpx2.Response:
    with AUDIO.open("rb") as audio:
        return httpx2.post(
            f"{process.endpoint.url}/v1/audio/transcriptions", files={"file": audio}, data=fields, timeout=_PATIENCE
        )


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_it_says_what_it_loads_without_loading_it(engine: Engine) -> None:
    info = engine.runtime.probe()
    assert info is not None
    assert info.name == engine.name
    assert info.version
    assert info.formats
    assert info.capabilities
    assert 1 <= info.default_slots <= info.max_slots
    assert info.base_memory > 0


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_an_unknown_parameter_is_refused_before_anything_starts(engine: Engine, model: InstalledModel) -> None:
    with pytest.raises(InvalidParameters, match="no_such_thing"):
        engine.runtime.plan(RunSpec(params={"no_such_thing": 1}), model, own_port())


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_more_slots_than_it_has_are_refused(engine: Engine, model: InstalledModel) -> None:
    with pytest.raises(InvalidParameters, match="slots"):
        engine.runtime.plan(RunSpec(slots=1024), model, own_port())


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_a_model_of_another_engine_is_refused(engine: Engine, tmp_path: Path) -> None:
    info = engine.runtime.probe()
    assert info is not None
    foreign = next(form for form in Format if form not in info.formats)
    model = InstalledModel(id="mdl_x", name="x", format=foreign, path=str(tmp_path), size=0)
    with pytest.raises(UnsupportedModel, match=foreign):
        engine.runtime.plan(RunSpec(), model, own_port())


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_the_run_is_healthy_and_lists_its_model(run: RunProcess) -> None:
    assert httpx2.get(f"{run.endpoint.url}/health", timeout=_PATIENCE).json() == {"status": "ok"}
    models = httpx2.get(f"{run.endpoint.url}/v1/models", timeout=_PATIENCE).json()
    assert [entry["id"] for entry in models["data"]] == [run.endpoint.served_name]


@pytest.mark.parametrize("engine", CHATTING, indirect=True)
def test_a_chat_is_answered_and_counted(run: RunProcess) -> None:
    reply = _chat(run, "Name one colour of the rainbow, please, and say why")
    message, usage = reply["choices"][0]["message"], reply["usage"]
    assert reply["object"] == "chat.completion"
    assert message["role"] == "assistant"
    assert message["content"]
    assert reply["choices"][0]["finish_reason"] == "length"
    assert usage["completion_tokens"] == 8
    assert usage["total_tokens"] == usage["prompt_tokens"] + 8


@pytest.mark.parametrize("engine", CHATTING, indirect=True)
def test_a_stream_names_its_role_once_and_ends_with_reason_usage_and_done(run: RunProcess) -> None:
    body = _body(run, "Name one colour of the rainbow, please, and say why")
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    with httpx2.stream("POST", f"{run.endpoint.url}/v1/chat/completions", json=body, timeout=_PATIENCE) as answer:
        events = [event.data for event in read_events(answer.iter_bytes())]
    assert events[-1] == "[DONE]"
    *chunks, counted = [json.loads(event) for event in events[:-1]]
    choices = [chunk["choices"][0] for chunk in chunks]
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in (*chunks, counted))
    assert [index for index, choice in enumerate(choices) if "role" in choice["delta"]] == [0]
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["length"]
    assert counted["choices"] == []
    assert counted["usage"]["completion_tokens"] == 8
    whole = _chat(run, "Name one colour of the rainbow, please, and say why")
    assert (
        "".join(choice["delta"].get("content") or "" for choice in choices) == whole["choices"][0]["message"]["content"]
    )


@pytest.mark.parametrize("engine", CHATTING, indirect=True)
def test_usage_comes_only_when_it_is_asked_for(run: RunProcess) -> None:
    answer = httpx2.post(
        f"{run.endpoint.url}/v1/chat/completions", json=_body(run, "one two", stream=True), timeout=_PATIENCE
    )
    chunks = [json.loads(event.data) for event in read_events([answer.content]) if event.data != "[DONE]"]
    assert all(chunk["choices"] for chunk in chunks)


@pytest.mark.parametrize("engine", CHATTING, indirect=True)
def test_as_many_requests_as_it_has_slots_run_side_by_side(run: RunProcess) -> None:
    slots = run.endpoint.slots
    with ThreadPoolExecutor(slots) as threads:
        replies = list(threads.map(lambda number: _chat(run, f"Say something about {number} and two"), range(slots)))
    assert all(reply["usage"]["completion_tokens"] > 0 for reply in replies)


@pytest.mark.parametrize("engine", CHATTING, indirect=True)
def test_a_request_that_makes_no_sense_is_refused_and_harms_nothing(run: RunProcess) -> None:
    refused = httpx2.post(f"{run.endpoint.url}/v1/chat/completions", content=b'{"messages": 5', timeout=_PATIENCE)
    assert 400 <= refused.status_code <= 500
    assert _chat(run, "one two three")["choices"]


@pytest.mark.parametrize("engine", [case for case in ENGINES if case.id == "whisper"], indirect=True)  # type: ignore[attr-defined]
def test_speech_is_transcribed_right(run: RunProcess) -> None:
    text = _transcribe(run).json()["text"]
    assert word_error_rate(TWO_CITIES, text) <= 0.05


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_memory_is_measured_and_within_what_was_foreseen(
    run: RunProcess, engine: Engine, model: InstalledModel
) -> None:
    info, usage = engine.runtime.probe(), run.memory()
    assert info is not None
    assert usage is not None
    assert 0 < usage.current <= usage.peak
    assert usage.peak < info.base_memory + 2 * model.size + GIB // 4


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_a_kill_is_noticed_and_diagnosed(own_run: RunProcess, engine: Engine) -> None:
    os.kill(own_run.pid, signal.SIGKILL)
    assert own_run.wait(_PATIENCE) == -signal.SIGKILL
    problem = engine.runtime.diagnose(own_run.exit_code, own_run.stderr_tail)
    assert (problem.code, problem.crash, problem.retryable) == ("run_died", True, True)
    assert "SIGKILL" in problem.why


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_a_stopped_run_is_gone_and_its_port_free(own_run: RunProcess) -> None:
    tree = psutil.Process(own_run.pid).children(recursive=True)
    own_run.stop()
    claim_check(own_run.plan.port)
    assert own_run.memory() is None
    assert all(map(is_over, tree))


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_it_ends_with_the_process_that_started_it_even_while_it_loads(engine: Engine, model: InstalledModel) -> None:
    parent = subprocess.Popen(
        (
            sys.executable,
            "-m",
            "tests.conformance.parent",
            engine.name,
            engine.spec.model_dump_json(),
            model.model_dump_json(),
        ),
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not _alive(child))


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_a_port_taken_at_the_last_moment_is_a_typed_problem(engine: Engine, model: InstalledModel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        plan = engine.runtime.plan(engine.spec, model, other.getsockname()[1])
        with subprocess.Popen(
            plan.command,
            env=os.environ | plan.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as child:
            assert child.stdout is not None
            said = child.stdout.read()
    problem = engine.runtime.diagnose(child.returncode, said.decode())
    assert problem.code == "port_in_use", said.decode()
    assert problem.fix


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_a_broken_model_is_a_typed_problem(engine: Engine, model: InstalledModel, tmp_path: Path) -> None:
    spec = engine.spec if engine.broken else engine.broken_spec
    broken = engine.broken(tmp_path) if engine.broken else model
    process = RunProcess.start(engine.runtime.plan(spec, broken, own_port()))
    try:
        with pytest.raises(UnsupportedModel) as caught:
            process.wait_ready(engine.runtime.diagnose)
    finally:
        process.stop()
    problem = caught.value.problem
    assert problem.what
    assert problem.why
    assert problem.fix
    assert not problem.retryable


def _alive(process: psutil.Process) -> bool:
    return not is_over(process)
