"""A real llama.cpp reads in chunks, of which a picture is one: short questions go between, and leavers cost one."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from threading import Event
from typing import Any

import httpx2
import psutil
import pytest

from shared.requests import WORK, Work
from tests.handmade import png
from tests.models import seeing, smollm2
from tests.stack import Stack, running
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.model]

_SLOTS = 3
_numbers = count()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A front door elsewhere, so that it goes through the agent."""
    own = {"api": {"CIDERMILL_HOST_NAME": "elsewhere"}}
    home = tmp_path_factory.mktemp("long-prompts")
    with running(home, runtimes='["llama-cpp","store"]', own_environment=own) as stack:
        stack.wait(stack.submit("download", model=f"local:{smollm2().path}", name="smollm2", host="alpha"))
        seeing(folder := tmp_path_factory.mktemp("seeing"))
        stack.wait(stack.submit("download", model=f"local:{folder}", name="seeing", host="alpha"))
        yield stack


@pytest.fixture(scope="module")
def engine(stack: Stack) -> str:
    return _started(stack, "smollm2")


@pytest.fixture(scope="module")
def eyes(stack: Stack) -> str:
    return _started(stack, "seeing")


def _started(stack: Stack, model: str) -> str:
    spec = {"slots": _SLOTS, "context": 4096, "keep_alive": -1}
    run = stack.post("/v1/runs", {"model": model, "spec": spec})["id"]
    eventually(lambda: stack.get(f"/v1/runs/{run}")["state"] == "ready", 120)
    return str(stack.get(f"/v1/runs/{run}")["endpoint"]["url"])


def chat(words: int) -> dict[str, Any]:
    """A prompt of four tokens a word that no other begins like."""
    number = next(_numbers)
    text = f"{number} " + " ".join(f"w{(i * 7919 + number * 31) % 9973}" for i in range(words))
    sampling = {"temperature": 0, "seed": 1, "max_tokens": 8}
    return {"model": "smollm2", "messages": [{"role": "user", "content": text}], **sampling}


def showing(pictures: int, behind: str = "What do you see?") -> dict[str, Any]:
    """A chat with pictures that no other has."""
    urls = [f"data:image/png;base64,{b64encode(png(8 + next(_numbers), 8)).decode()}" for _ in range(pictures)]
    content = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content.append({"type": "text", "text": behind})
    return chat(1) | {"model": "seeing", "messages": [{"role": "user", "content": content}]}


def texts(words: int, prompts: int) -> dict[str, Any]:
    """Text completions of a list of prompts."""
    listed = [chat(words)["messages"][0]["content"] for _ in range(prompts)]
    return {"model": "smollm2", "prompt": listed, "temperature": 0, "seed": 1, "max_tokens": 8}


def answer(url: str, body: dict[str, Any], work: Work = Work.PERSON) -> dict[str, Any]:
    reply = httpx2.post(f"{url}{_path(body)}", json=body, headers={WORK: work}, timeout=300, trust_env=False)
    return dict(reply.raise_for_status().json())


def leave(stack: Stack, engine: str, body: dict[str, Any]) -> None:
    """Ask, go away while the engine reads, and wait until it is idle."""
    connection = HTTPConnection("127.0.0.1", stack.port)
    with slowed(stack, engine):
        connection.request("POST", _path(body), json.dumps(body), {"Content-Type": "application/json"})
        eventually(lambda: reads(engine), 60)
        connection.close()
        eventually(lambda: not reads(engine), 60)


@contextmanager
def slowed(stack: Stack, engine: str) -> Iterator[None]:
    """llama.cpp gets a part of the time, so that it reads for as long as a test needs to see it and to ask for more."""
    pid = next(run["pid"] for run in stack.get("/v1/runs")["data"] if (run["endpoint"] or {}).get("url") == engine)
    [server] = psutil.Process(pid).children()
    enough = Event()

    def brake() -> None:
        while not enough.wait(0.01):
            server.suspend()
            enough.wait(0.01)
            server.resume()

    with ThreadPoolExecutor() as pool:
        braking = pool.submit(brake)
        try:
            yield
        finally:
            enough.set()
            braking.result()


def _path(body: dict[str, Any]) -> str:
    return "/v1/chat/completions" if "messages" in body else "/v1/completions"


def reads(engine: str) -> bool:
    slots = httpx2.get(f"{engine}/slots", timeout=30, trust_env=False).json()
    return any(slot["is_processing"] for slot in slots)


@pytest.mark.parametrize("answers", [1, 2])
def test_it_counts_as_if_it_had_been_sent_whole(stack: Stack, engine: str, answers: int) -> None:
    body = chat(90) | {"n": answers}
    first = answer(stack.url, body)
    prompt = answer(engine, body | {"max_tokens": 1})["usage"]["prompt_tokens"]
    assert first["usage"]["prompt_tokens"] == prompt > 300
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] < 30, "what all prompts begin with"
    timings = first["timings"]
    assert timings["cache_n"] + timings["prompt_n"] == first["usage"]["prompt_tokens"]
    said = [one["message"]["content"] for one in first["choices"] if one["message"]["content"]]
    assert len(said) == answers, "the tokens of chunks are no part of it"
    body["messages"] += [first["choices"][0]["message"], {"role": "user", "content": "Go on. " * 60}]
    second = answer(stack.url, body)["usage"]
    assert second["prompt_tokens_details"]["cached_tokens"] >= prompt - 1, "it found its slot"


def test_a_short_question_is_answered_while_a_long_prompt_is_read(stack: Stack, engine: str) -> None:
    with ThreadPoolExecutor() as pool:
        with slowed(stack, engine):
            long = pool.submit(answer, stack.url, chat(450))
            eventually(lambda: reads(engine), 60)
            answer(stack.url, chat(3))
            assert not long.done()
        assert long.result()["usage"]["prompt_tokens"] > 1500


def test_a_person_goes_before_a_batch_that_has_begun(stack: Stack, engine: str) -> None:
    with slowed(stack, engine):
        job = stack.submit("inference", model="smollm2", requests=[chat(450) for _ in range(2)], priority="batch")
        eventually(lambda: reads(engine), 60)
        answer(stack.url, chat(3))
        assert not (stack.get(f"/v1/jobs/{job}")["progress"] or {}).get("current"), "none of it is done yet"
    done = stack.wait(job)
    assert done["result"]["prompt_tokens"] > 3000
    assert done["result"]["cached_tokens"] < 100


@pytest.mark.parametrize("answers", [1, 2])
def test_no_chunk_follows_when_its_client_has_left(stack: Stack, engine: str, answers: int) -> None:
    body = chat(450) | {"n": answers}
    leave(stack, engine, body)
    assert answer(engine, body)["usage"]["prompt_tokens_details"]["cached_tokens"] < 1000


def test_the_prompts_of_a_list_are_read_in_chunks_and_counted_together(stack: Stack, engine: str) -> None:
    body = texts(90, 2)
    said = answer(stack.url, body)
    assert [choice["index"] for choice in said["choices"]] == [0, 1]
    alone = [answer(engine, body | {"prompt": prompt}, Work.BENCHMARK) for prompt in body["prompt"]]
    assert said["usage"]["prompt_tokens"] == sum(one["usage"]["prompt_tokens"] for one in alone) > 600
    assert said["usage"]["completion_tokens"] == 16


def test_no_chunk_of_any_prompt_of_a_list_follows_when_its_client_has_left(stack: Stack, engine: str) -> None:
    body = texts(200, 3)
    leave(stack, engine, body)
    read = [answer(engine, body | {"prompt": prompt})["usage"] for prompt in body["prompt"]]
    assert sum(one["prompt_tokens_details"]["cached_tokens"] for one in read) < 600


@pytest.mark.parametrize("words", [0, 90])
def test_pictures_are_seen_one_by_one_as_if_they_had_been_shown_at_once(stack: Stack, eyes: str, words: int) -> None:
    body = showing(5, chat(words)["messages"][0]["content"])
    first = answer(stack.url, body)
    whole = answer(eyes, body | {"cache_prompt": False}, Work.BENCHMARK)
    assert first["usage"]["prompt_tokens"] == whole["usage"]["prompt_tokens"] > 60
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] < 30
    assert words or first["choices"][0]["message"]["content"] == whole["choices"][0]["message"]["content"]
    body["messages"] += [first["choices"][0]["message"], *showing(3)["messages"]]
    again = answer(stack.url, body)["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert again >= first["usage"]["prompt_tokens"] - 64, "what it saw it does not see again"


def test_no_picture_is_seen_when_its_client_has_left(stack: Stack, eyes: str) -> None:
    body = showing(40)
    leave(stack, eyes, body)
    used = answer(eyes, body)["usage"]
    assert used["prompt_tokens_details"]["cached_tokens"] < used["prompt_tokens"] / 2


def test_the_text_of_a_model_that_sees_is_read_in_chunks_too(stack: Stack, eyes: str) -> None:
    body = chat(450) | {"model": "seeing"}
    leave(stack, eyes, body)
    assert answer(eyes, body)["usage"]["prompt_tokens_details"]["cached_tokens"] < 1000
