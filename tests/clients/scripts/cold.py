"""What clients see while a model is loaded for them: `python cold.py URL openai|anthropic|ollama`.

The fleet has one host, `alpha`, which takes nothing new at first: so the run waits, until the client has seen a sign of
life.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

URL, DIALECT = sys.argv[1:3]
ASKED: dict[str, Any] = {"model": "echo", "messages": [{"role": "user", "content": "hello there"}]}
#: Seconds after which the host takes the run where nobody looks for signs: the first of them comes after two.
WAIT = 4.0
#: Within so many seconds there must be one.
LONGEST = 60.0


def call(method: str, path: str) -> Any:
    with urlopen(Request(URL + path, method=method)) as answer:
        return json.load(answer)


def live() -> list[str]:
    return [run["id"] for run in call("GET", "/v1/runs")["data"] if run["state"] not in ("stopped", "failed")]


@contextmanager
def cold(opens: threading.Event, within: float) -> Iterator[None]:
    """No run, and a host that takes one as soon as `opens` is set, or else after so many seconds."""
    for run in live():
        call("POST", f"/v1/runs/{run}/stop")
    while live():
        time.sleep(0.05)
    call("POST", "/v1/hosts/alpha/cordon")

    def uncordon() -> None:
        opens.wait(within)
        call("POST", "/v1/hosts/alpha/uncordon")

    thread = threading.Thread(target=uncordon)
    thread.start()
    yield
    thread.join()


def first_sign(lines: Iterator[str], sign: str) -> None:
    """The sign comes before everything else, and the answer follows."""
    seen = next(lines)
    assert seen.startswith(sign), seen
    opens.set()
    assert any("there" in line for line in lines)


opens = threading.Event()
if DIALECT == "openai":
    from openai import OpenAI

    client = OpenAI(base_url=f"{URL}/v1", api_key="none", timeout=120)
    with cold(opens, LONGEST), client.chat.completions.with_streaming_response.create(**ASKED, stream=True) as raw:
        first_sign(raw.iter_lines(), ":")
    with cold(threading.Event(), WAIT):
        chunks = list(client.chat.completions.create(**ASKED, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).split() == ["hello", "there"]
elif DIALECT == "anthropic":
    from anthropic import Anthropic

    talker = Anthropic(base_url=URL, api_key="none", timeout=120)
    with (
        cold(opens, LONGEST),
        talker.messages.with_streaming_response.create(**ASKED, max_tokens=8, stream=True) as heard,
    ):
        first_sign(heard.iter_lines(), "event: ping")
    with cold(threading.Event(), WAIT), talker.messages.stream(**ASKED, max_tokens=8) as stream:
        assert "".join(stream.text_stream).split() == ["hello", "there"]
else:
    from ollama import Client

    with cold(opens, LONGEST):
        pieces = Client(host=URL, timeout=120).chat("echo", ASKED["messages"], stream=True)
        assert next(pieces).message.content == ""
        opens.set()
        assert "".join(piece.message.content or "" for piece in pieces).split() == ["hello", "there"]
