"""Long prompts of jobs, against a small HTTP server that reads as llama.cpp does: a token for each word."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from shared.bench import Bench, Protocol
from shared.chunked_prefill import TEMPLATE, TOKENS, RecentPrompts
from shared.completions import Completion, complete, stream
from shared.errors import Cancelled, EngineFailed, InvalidInput, RunDied
from shared.loopback import in_flight
from shared.prompts import BenchmarkPrompt
from shared.protocol import Acquired
from shared.requests import CHAT, COMPLETION, EngineRequest
from shared.runtimes import Endpoint, RunSpec
from tests.kinds import LocalContext
from tests.serving import serving
from tests.waiting import eventually

_STEP = 8
_IDLE = [{"id": 0, "is_processing": False, "next_token": [{"n_decoded": 0}]}]
_READING = {"id": 1, "is_processing": True, "next_token": [{"n_decoded": 0}]}
_CHUNK = "chunk"


class Llama(ThreadingHTTPServer):
    """Says `yes` once it may."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        #: Paths in the order they were asked, a chunk's first word as its path's second half; and the cache.
        self.asked: list[str] = []
        self.cache: list[str] = []
        #: By path or `_CHUNK`: what to say instead (`None`: hang up), and what has to wait for what.
        self.replies: dict[str, tuple[int, bytes] | None] = {}
        self.gates: dict[str, threading.Event] = {}
        self.slots, self.looks = (200, json.dumps(_IDLE).encode()), 0
        self.streams = True
        self._lock = threading.Lock()
        url = f"http://127.0.0.1:{self.server_address[1]}"
        self.endpoint = Endpoint(url=url, served_name="m", slots=4, context=4096, prefill_step=_STEP)

    @property
    def chunks(self) -> list[str]:
        return [path.split(" ")[1] for path in self.asked if path.startswith(_CHUNK)]

    def handle_error(self, *_: object) -> None:
        """Some leave."""

    def hold(self, path: str) -> threading.Event:
        return self.gates.setdefault(path, threading.Event())

    def read(self, words: list[str]) -> int:
        with self._lock:
            pairs = zip(self.cache, words, strict=False)
            known = min(sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)), len(words) - 1)
            self.cache = words
        return known


class Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Llama

    def do_GET(self) -> None:
        self.server.looks += 1
        self._wait("/slots")
        self._reply(*self.server.slots)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chunk = self.path == COMPLETION and body["max_tokens"] == 0
        name = _CHUNK if chunk else self.path
        self.server.asked.append(f"{_CHUNK} {_word(body['prompt'][0])}" if chunk else name)
        self._wait(name)
        reply = self.server.replies.get(name, (200, b""))
        if reply is None:
            self.close_connection = True
            return
        self._reply(reply[0], reply[1] or self._said(body))

    def _wait(self, name: str) -> None:
        if (gate := self.server.gates.get(name)) is not None:
            gate.wait()

    def _said(self, body: dict[str, Any]) -> bytes:
        if self.path == TEMPLATE:
            return json.dumps({"prompt": _laid_out(body)}).encode()
        if self.path == TOKENS:
            return json.dumps({"tokens": [_token(word) for word in body["content"].split()]}).encode()
        prompt = _laid_out(body) if self.path == CHAT else body["prompt"]
        words = prompt.split() if isinstance(prompt, str) else [_word(token) for token in prompt]
        return self._answer(len(words), self.server.read(words))

    def _answer(self, size: int, cached: int) -> bytes:
        text = {"delta": {"content": "yes"}} if self.path == CHAT else {"text": "yes"}
        if not self.server.streams and self.path == CHAT:
            text = {"message": {"role": "assistant", "content": "yes"}}
        said = {
            "choices": [{"index": 0, "finish_reason": "stop", **text}],
            "usage": {
                "prompt_tokens": size,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": cached},
            },
            "timings": {"cache_n": cached, "prompt_n": size - cached, "prompt_ms": 1.0 * (size - cached)},
        }
        if not self.server.streams and self.path == CHAT:
            return json.dumps(said).encode()
        return f"data: {json.dumps(said)}\n\ndata: [DONE]\n\n".encode()

    def _reply(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if content[:5] == b"data:" else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nobody reads along."""


def _laid_out(body: dict[str, Any]) -> str:
    return " ".join(str(message["content"]) for message in body["messages"])


_WORDS: list[str] = []


def _token(word: str) -> int:
    if word not in _WORDS:
        _WORDS.append(word)
    return _WORDS.index(word)


def _word(token: int) -> str:
    return _WORDS[token]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Llama]:
    """Where it says that somebody reads, a chunk waits longer than any test. Nobody asked its port before."""
    monkeypatch.setattr("shared.prefilling._POLITE", 3600.0)
    monkeypatch.setattr("shared.prefilling._RECENT", RecentPrompts())
    with serving(Llama()) as server:
        yield server
        for gate in server.gates.values():
            gate.set()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def long(name: str, words: int = 100) -> str:
    return " ".join([name, *(f"{name}{i}" for i in range(words - 1))])


def asking(text: str, path: str = CHAT) -> EngineRequest:
    prompt = {"messages": [{"role": "user", "content": text}]} if path == CHAT else {"prompt": text}
    return EngineRequest(path, {**prompt, "max_tokens": 5})


def ask(
    engine: Llama, text: str, path: str = CHAT, check: Callable[[], None] = lambda: None, timeout: float = 60.0
) -> Completion:
    return complete(engine.endpoint, asking(text, path), timeout=timeout, check=check)


class Asker:
    """Somebody who may give up; `waited` once it was asked whether to."""

    def __init__(self) -> None:
        self.waited, self._gone = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.waited.set()
        if self._gone.is_set():
            raise Cancelled("Somebody asked for it")

    def gives_up(self) -> None:
        self._gone.set()


@pytest.mark.parametrize("path", [CHAT, COMPLETION])
@pytest.mark.parametrize("heard", [True, False])
def test_what_was_read_ahead_is_told_as_read(engine: Llama, path: str, heard: bool) -> None:
    ask(engine, long("a", 60))
    engine.asked.clear()
    request, text = asking(long("a"), path), list[str]()
    if heard:
        said = stream(engine.endpoint, request, text.append, timeout=60.0, check=lambda: None)
    else:
        said = complete(engine.endpoint, request, timeout=60.0, check=lambda: None)
    assert engine.asked == [*([TEMPLATE] if path == CHAT else []), TOKENS, *["chunk a"] * len(engine.chunks), path]
    assert engine.chunks, "it is long"
    assert (said.text, text) == ("yes", ["yes"] if heard else [])
    assert said.usage["prompt_tokens_details"] == {"cached_tokens": 60}
    timings = said.response["timings"]
    assert (timings["cache_n"], timings["prompt_n"], timings["prompt_ms"]) == (60, 40, pytest.approx(40.0))


def test_so_it_is_by_an_engine_that_does_not_stream(engine: Llama) -> None:
    engine.streams = False
    assert ask(engine, long("a")).usage["prompt_tokens_details"] == {"cached_tokens": 0}


def test_a_short_request_is_sent_at_once(engine: Llama) -> None:
    engine.endpoint = engine.endpoint.model_copy(update={"prefill_step": 512})
    ask(engine, long("a"))
    assert engine.asked == [CHAT]


def test_prompts_are_read_one_after_the_other(engine: Llama, threads: ThreadPoolExecutor) -> None:
    gate, second = engine.hold(_CHUNK), Asker()
    answers = [threads.submit(ask, engine, long("a"))]
    eventually(lambda: engine.chunks)
    answers.append(threads.submit(ask, engine, long("b"), CHAT, second))
    assert second.waited.wait(60)
    assert engine.asked == [TEMPLATE, TOKENS, "chunk a"]
    gate.set()
    assert [answer.result().text for answer in answers] == ["yes", "yes"]
    assert engine.chunks == sorted(engine.chunks)
    assert set(engine.chunks) == {"a", "b"}


@pytest.mark.parametrize(
    "reading", [_READING, _READING | {"next_token": {"n_decoded": 0}}, _READING | {"next_token": [{"n_decoded": 0}, 5]}]
)
def test_a_chunk_waits_while_somebody_else_s_prompt_is_read(
    engine: Llama, threads: ThreadPoolExecutor, reading: dict[str, Any]
) -> None:
    engine.slots = 200, json.dumps([*_IDLE, reading]).encode()
    answer = threads.submit(ask, engine, long("a"))
    eventually(lambda: engine.looks >= 3)
    assert engine.asked == [TEMPLATE, TOKENS]
    engine.slots = 200, json.dumps(_IDLE).encode()
    assert answer.result().text == "yes"
    assert engine.chunks


def test_but_not_for_ever(engine: Llama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.prefilling._POLITE", 0.1)
    engine.slots = 200, json.dumps([_READING]).encode()
    ask(engine, long("a"))
    assert engine.chunks


def test_an_engine_at_a_long_step_does_not_fail_the_job(engine: Llama, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells of its slots only between two steps."""
    monkeypatch.setattr("shared.prefilling._POLITE", 0.1)
    engine.hold("/slots")
    assert ask(engine, long("a")).text == "yes"
    assert engine.chunks


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, b"not here"), (501, b"{}"), (500, json.dumps([_READING]).encode()), (200, b""), (200, b"nonsense"),
        (200, b"{}"), (200, b"5"), (200, b"\xff"), (200, b"[" * 100_000), (200, b"[5, null, [], {}]"),
        *(
            (200, json.dumps([_READING | {"next_token": token}]).encode())
            for token in ([], [5], {}, 5, None, [{"n_decoded": 3}], {"n_decoded": 3}, [{"n_decoded": None}])
        ),
    ],
)  # fmt: skip
def test_who_does_not_tell_that_somebody_reads_is_asked(engine: Llama, status: int, said: bytes) -> None:
    engine.slots = status, said
    ask(engine, long("a"))
    assert engine.chunks
    assert engine.looks


@pytest.mark.parametrize("path", [TEMPLATE, TOKENS, _CHUNK])
def test_an_engine_that_dies_while_it_reads_is_a_run_that_died(engine: Llama, path: str) -> None:
    engine.replies[path] = None
    with pytest.raises(RunDied):
        ask(engine, long("a"))
    assert CHAT not in engine.asked
    del engine.replies[path]
    assert ask(engine, long("b")).text == "yes", "the turn was given back"


@pytest.mark.parametrize("path", [TEMPLATE, TOKENS, _CHUNK])
def test_an_engine_that_refuses_to_read_ahead_is_asked_for_all(engine: Llama, path: str) -> None:
    engine.replies[path] = (400, b'{"error":{"message":"no"}}')
    assert ask(engine, long("a")).text == "yes"


def test_a_refusal_is_what_the_engine_says_of_the_request_itself(engine: Llama) -> None:
    engine.replies = {_CHUNK: (400, b'{"error":{"message":"no"}}'), CHAT: (400, b'{"error":{"message":"too hot"}}')}
    with pytest.raises(InvalidInput, match="too hot"):
        ask(engine, long("a"))


def test_reading_takes_of_a_request_s_time(engine: Llama) -> None:
    gate = engine.hold(_CHUNK)
    with pytest.raises(EngineFailed, match="in time"):
        ask(engine, long("a"), timeout=0.1)
    gate.set()
    assert ask(engine, long("b")).text == "yes", "the turn was given back"


def _behind_people(engine: Llama) -> Callable[[], object]:
    engine.slots = 200, json.dumps([_READING]).encode()
    return lambda: engine.looks >= 2


def _in_a_chunk(engine: Llama) -> Callable[[], object]:
    engine.hold(_CHUNK)
    return lambda: engine.chunks


def _at(path: str) -> Callable[[Llama], Callable[[], object]]:
    def hold(engine: Llama) -> Callable[[], object]:
        engine.hold(path)
        return lambda: path in engine.asked

    return hold


@pytest.mark.parametrize("waits", [_behind_people, _in_a_chunk, _at(TEMPLATE), _at(TOKENS)])
def test_who_gives_up_gives_the_turn_back(
    engine: Llama, threads: ThreadPoolExecutor, waits: Callable[[Llama], Callable[[], object]]
) -> None:
    there, asker = waits(engine), Asker()
    answer = threads.submit(ask, engine, long("a"), CHAT, asker)
    eventually(there)
    asker.gives_up()
    assert isinstance(answer.exception(), Cancelled)
    assert in_flight(engine.endpoint.url) == 0
    assert CHAT not in engine.asked
    engine.slots = 200, json.dumps(_IDLE).encode()
    for gate in engine.gates.values():
        gate.set()
    assert ask(engine, long("b")).text == "yes"


def test_who_gives_up_before_its_turn_leaves_the_other_its_own(engine: Llama, threads: ThreadPoolExecutor) -> None:
    gate, asker = engine.hold(_CHUNK), Asker()
    first = threads.submit(ask, engine, long("a"))
    eventually(lambda: engine.chunks)
    second = threads.submit(ask, engine, long("b"), CHAT, asker)
    assert asker.waited.wait(60)
    asker.gives_up()
    assert isinstance(second.exception(), Cancelled)
    assert in_flight(engine.endpoint.url) == 1
    gate.set()
    assert first.result().text == "yes"
    assert "b" not in engine.chunks


def test_a_full_engine_gets_a_prompt_whole(engine: Llama, threads: ThreadPoolExecutor) -> None:
    engine.endpoint = engine.endpoint.model_copy(update={"slots": 2})
    gate = engine.hold(CHAT)
    others: list[Future[Completion]] = [threads.submit(ask, engine, "hi") for _ in range(2)]
    eventually(lambda: engine.asked.count(CHAT) == 2)
    engine.asked.clear()
    whole = threads.submit(ask, engine, long("a"))
    eventually(lambda: engine.asked)
    assert engine.asked == [CHAT]
    gate.set()
    assert {answer.result().text for answer in [*others, whole]} == {"yes"}


def test_a_benchmark_measures_prompts_that_go_whole(engine: Llama, tmp_path: Path) -> None:
    def acquire(*_: object) -> Acquired:
        return Acquired(run_id="run_1", state="ready", generation=1, endpoint=engine.endpoint, load_seconds=1.0)

    context = LocalContext(tmp_path, acquire=acquire, release=lambda run: run)
    prompts = [BenchmarkPrompt(name="long", text=long("a"))]
    protocol = Protocol(prompts, 2, 1, 5, temperature=0.0, ignore_eos=False, timeout=60.0, spec=RunSpec())
    bench = Bench(context, protocol, [("m", "r")])
    bench.run()
    assert len(bench.samples(0)) == 2
    assert engine.asked == [CHAT] * 3
