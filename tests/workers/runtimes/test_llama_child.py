"""A `llama-server` of the PATH behind our front: one of ours in its place, which lives and dies as it would."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from shared.errors import UnsupportedModel
from shared.runtimes import RunSpec
from tests.models import smollm2
from tests.processes import is_over
from tests.waiting import eventually
from tests.workers.runtimes.llama_server import BROKEN, DYING, LOADED, LOADING, STUBBORN, script
from tests.workers.runtimes.scripted_llama import words
from workers.port import free_port
from workers.process import RunProcess
from workers.runtimes.llama_cpp import LlamaCpp

#: The front, which waits so long for the end of its child: only a stubborn one makes it wait.
_BOOT = """
from workers.runtimes.boot import llama_child, llama_cpp
llama_child._PATIENCE = llama_child._DYING = {wait}
llama_cpp.main()
"""

Start = Callable[[str], RunProcess]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


@pytest.fixture
def start(tmp_path: Path, model: Path) -> Iterator[Start]:
    """Starts a run whose model says what its `llama-server` does; all are ended after the test."""
    started: list[RunProcess] = []

    def begin(says: str) -> RunProcess:
        model.write_text(says)
        plan = LlamaCpp().plan(RunSpec(slots=2, context=2048), smollm2(), free_port())
        options: dict[str, Any] = {"binary": str(script(tmp_path)), "model": str(model), "prefill_step": 16}
        wait = 2.0 if says == STUBBORN else 60.0
        command = (sys.executable, "-c", _BOOT.format(wait=wait), json.dumps(json.loads(plan.command[-1]) | options))
        started.append(RunProcess.start(plan.model_copy(update={"command": command})))
        return started[-1]

    yield begin
    for process in started:
        process.stop(grace=0)


def llama_server(run: RunProcess) -> psutil.Process:
    """The child, once it listens."""
    eventually(lambda: "listening" in run.stderr_tail)
    return next(one for one in psutil.Process(run.pid).children() if "--port" in one.cmdline())


def ready(run: RunProcess) -> psutil.Process:
    run.wait_ready(LlamaCpp().diagnose)
    return llama_server(run)


def ask(run: RunProcess, text: str) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": text}]}
    reply = httpx2.post(f"{run.endpoint.url}/v1/chat/completions", json=body, trust_env=False, timeout=60)
    return dict(reply.raise_for_status().json())


def test_its_answers_come_through_the_front(start: Start) -> None:
    run = start(LOADED)
    ready(run)
    said = ask(run, words(100))
    assert said["usage"]["prompt_tokens"] == 102
    assert said["timings"]["prompt_ms"] >= 200, "what was read ahead is counted"
    assert httpx2.put(f"{run.endpoint.url}/health", trust_env=False, timeout=60).status_code == 405, (
        "the front's own word"
    )


def test_nobody_is_answered_while_it_loads(start: Start, model: Path) -> None:
    run = start(LOADING)
    llama_server(run)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", run.plan.port))
    model.write_text(LOADED)
    ready(run)


@pytest.mark.parametrize(("says", "code"), [(LOADED, 7), (LOADING, 7), (STUBBORN, -signal.SIGKILL)])
def test_it_ends_with_the_run_that_is_stopped(start: Start, says: str, code: int) -> None:
    run = start(says)
    child = llama_server(run)
    assert run.stop(grace=60) == code
    assert is_over(child)


def test_the_run_ends_as_it_is_killed(start: Start) -> None:
    run = start(LOADED)
    ready(run).kill()
    assert run.wait(60) == -signal.SIGKILL
    assert "SIGKILL" in LlamaCpp().diagnose(run.exit_code, run.stderr_tail).why


def test_who_waits_for_an_answer_as_it_dies_loses_the_connection(start: Start) -> None:
    """Not told of an error, so that the request is asked again elsewhere."""
    run = start(DYING)
    ready(run)
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(run, "short")
    assert run.wait(60) == 1


def test_both_end_with_the_worker(start: Start) -> None:
    run = start(LOADED)
    child = ready(run)
    assert run._child.stdin is not None
    run._child.stdin.close()
    assert run.wait(60) == -signal.SIGKILL
    eventually(lambda: is_over(child))


def test_one_that_cannot_load_ends_the_run_with_its_words(start: Start) -> None:
    run = start(BROKEN)
    with pytest.raises(UnsupportedModel, match="damaged"):
        run.wait_ready(LlamaCpp().diagnose)
    assert run.exit_code == 1
    assert "tensor data" in run.stderr_tail
