"""A real llama.cpp reads long prompts in chunks: short questions go between, and leavers cost one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from itertools import count
from typing import Any

import httpx2
import pytest

from tests.models import smollm2
from tests.stack import Stack, running
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.model, pytest.mark.timeout(300)]

_SLOTS = 3
_numbers = count()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A front door elsewhere, so that it goes through the agent."""
    own = {"api": {"CIDERMILL_HOST_NAME": "elsewhere"}}
    home = tmp_path_factory.mktemp("long-prompts")
    with running(home, runtimes='["llama-cpp","store"]', own_environment=own) as stack:
        stack.wait(stack.submit("download", model=f"local:{smollm2().path}", name="smollm2", host="alpha"))
        yield stack


@pytest.fixture(scope="module")
def engine(stack: Stack) -> str:
    spec = {"slots": _SLOTS, "context": 4096, "keep_alive": -1}
    run = stack.post("/v1/runs", {"model": "smollm2", "spec": spec})["id"]
    eventually(lambda: stack.get(f"/v1/runs/{run}")["state"] == "ready", 120)
    return str(stack.get(f"/v1/runs/{run}")["endpoint"]["url"])


def chat(words: int) -> dict[str, Any]:
    """A prompt of four tokens a word that no other begins like."""
    number = next(_numbers)
    text = f"{number} " + " ".join(f"w{(i * 7919 + number * 31) % 9973}" for i in range(words))
    sampling = {"temperature": 0, "seed": 1, "max_tokens": 8}
    return {"model": "smollm2", "messages": [{"role": "user", "content": text}], **sampling}


def answer(url: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=300, trust_env=False).raise_for_status()
    return dict(reply.json())


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
        long = pool.submit(answer, stack.url, chat(450))
        eventually(lambda: reads(engine), 60)
        answer(stack.url, chat(3))
        assert not long.done()
        assert long.result()["usage"]["prompt_tokens"] > 1500


def test_a_person_goes_before_a_batch_that_has_begun(stack: Stack, engine: str) -> None:
    job = stack.submit("inference", model="smollm2", requests=[chat(450) for _ in range(2)], priority="batch")
    eventually(lambda: reads(engine), 60)
    answer(stack.url, chat(3))
    assert not (stack.get(f"/v1/jobs/{job}")["progress"] or {}).get("current"), "none of it is done yet"
    done = stack.wait(job)
    assert done["result"]["prompt_tokens"] > 3000
    assert done["result"]["cached_tokens"] < 100


@pytest.mark.parametrize("answers", [1, 2])
def test_no_chunk_follows_when_its_client_has_left(stack: Stack, engine: str, answers: int) -> None:
    body, connection = chat(450) | {"n": answers}, HTTPConnection("127.0.0.1", stack.port)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    eventually(lambda: reads(engine), 60)
    connection.close()
    eventually(lambda: not reads(engine), 60)
    assert answer(engine, body)["usage"]["prompt_tokens_details"]["cached_tokens"] < 1000
