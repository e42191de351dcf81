"""Who leaves while mlx-lm reads a prompt, or before that, costs it no further step."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import eventually
from tests.workers.runtimes.mlx_serving import mlx_serving

pytest.importorskip("mlx_lm")

_STEP, _LONG = 32, 321
#: Steps of such a prompt when nothing else is read: the last token is one of its own.
_STEPS = (_LONG - 1) // _STEP + 1
_CONTEXT = ("has_tool_calling", "has_thinking", "tool_parser", "text_sm", "initial_state", "prompt")


class Steps:
    """Lets mlx-lm work step by step."""

    def __init__(self) -> None:
        self.done, self.on = threading.Semaphore(0), threading.Semaphore(0)
        self.count = 0

    def over(self) -> None:
        self.count += 1
        self.done.release()
        self.on.acquire()

    def free(self) -> None:
        self.on.release(1000)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    import mlx_lm.server

    from workers.runtimes.boot.mlx_batches import Batches

    made = Steps()

    class Stepwise(Batches):
        def next(self) -> Any:
            said = super().next()
            if said[0]:
                made.over()
            return said

    monkeypatch.setattr(mlx_lm.server, "BatchGenerator", Stepwise)
    yield made
    made.free()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: Steps) -> Iterator[Any]:
    """On a random model, in this process."""
    with mlx_serving(tmp_path, 512, _STEP, monkeypatch, steps.free) as made:
        yield made


def test_who_leaves_while_a_prompt_is_read_costs_no_other_step(server: Any, steps: Steps) -> None:
    client = ask(server, "a" * _LONG)
    assert steps.done.acquire(timeout=60)
    client.close()
    steps.free()
    eventually(lambda: not server.generator.prompt_cache._running)
    assert steps.count == 1


def test_who_stays_is_answered_beside_one_who_leaves(server: Any, steps: Steps) -> None:
    leaver = ask(server, "a" * _LONG)
    assert steps.done.acquire(timeout=60)
    other = ask(server, "b" * _LONG)
    eventually(server.generator.requests.qsize)
    leaver.close()
    steps.free()
    assert json.load(other.getresponse())["usage"]["completion_tokens"] == 4
    assert steps.count == 1 + _STEPS


def test_who_leaves_before_its_turn_is_not_begun(server: Any, steps: Steps) -> None:
    first = ask(server, "a" * _LONG)
    assert steps.done.acquire(timeout=60)
    second = ask(server, "b" * _LONG)
    eventually(server.generator.requests.qsize)
    second.close()
    steps.free()
    first.getresponse().read()
    assert steps.count == _STEPS


def test_who_is_served_alone_is_read_no_further_once_it_has_gone() -> None:
    from mlx_lm.server import GenerationContext, Queue

    from workers.runtimes.boot.mlx_client import Line

    ours, theirs = socket.socketpair()
    queue: Any = Queue()
    with ours:
        line, context = Line(queue, ours), GenerationContext(**dict.fromkeys(_CONTEXT))
        line.alone = True
        for said in (context, (32, _LONG)):
            line.put(said)
        theirs.close()
        with pytest.raises(ConnectionAbortedError):
            line.put((64, _LONG))
    assert context._should_stop
    assert [type(queue.get_nowait()) for _ in range(3)] == [GenerationContext, tuple, ConnectionAbortedError]


def ask(server: Any, prompt: str) -> HTTPConnection:
    """A request for four tokens, sent and not yet answered."""
    client = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    body = json.dumps({"prompt": prompt, "max_tokens": 4}).encode()
    client.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    return client
