"""2,000 chats as one OpenAI batch over two hosts, one killed half-way and the front door restarted once.

Both hosts are this machine, and so are the engines: real ones, which share its processors. They are asked the same
straight, before and after, so that what else the machine does meets both; the speed of the processors is sampled all
the while and divided out.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

import httpx2

from shared.requests import WORK, Work
from tests.e2e.batches import CHAT, chat, file_lines, survive, upload
from tests.load.figure import Figure
from tests.load.pace import Pace
from tests.models import smollm2
from tests.stack import Stack, running
from tests.waiting import eventually

_TOTAL, _TOKENS = 2000, 6
#: Requests that the engines are asked straight, each time.
_STRAIGHT = 200
_HOSTS = ("alpha", "beta")


def figures() -> Iterator[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), runtimes='["llama-cpp","store"]', hosts=_HOSTS) as stack,
    ):
        runs = [_load(stack, host) for host in _HOSTS]
        straight, paces = [], [Pace(), Pace(), Pace()]
        with paces[0]:
            straight.append(_straight(runs, "before"))
        with paces[1]:
            lines = [chat(f"line-{n}", **_ask(f"batch {n}")) for n in range(_TOTAL)]
            batch = survive(stack, upload(stack, lines), _TOTAL)
        with paces[2]:
            straight.append(_straight(runs[:1], "after"))
        said = file_lines(stack, batch["output_file_id"])
        seconds = batch["completed_at"] - batch["in_progress_at"]
    tokens = sum(line["response"]["body"]["usage"]["completion_tokens"] for line in said)
    yield Figure("lines of the output file", len(said), "lines", _TOTAL)
    yield Figure("custom ids in it", len({line["custom_id"] for line in said}), "ids", _TOTAL)
    yield Figure("from the first job to the output file", seconds, "s", note="a host killed, the front door restarted")
    before, meanwhile, after = (pace.speed for pace in paces)
    own = mean((straight[0] / before, straight[1] / after))
    note = (
        f"{tokens / seconds:.0f} tokens/s, straight {straight[0]:.0f} and {straight[1]:.0f} before and after; "
        f"processors at {100 * meanwhile / before:.0f} % and {100 * after / before:.0f} % of their speed before"
    )
    share = 100 * tokens / seconds / meanwhile / own
    yield Figure("tokens a second of the batch / the engines' own, at equal speed", share, "%", 95, note=note)


def _ask(text: str) -> dict[str, Any]:
    return {"text": f"[{text}] Hi!", "model": "smollm2", "max_tokens": _TOKENS, "temperature": 0, "ignore_eos": True}


def _load(stack: Stack, host: str) -> dict[str, Any]:
    stack.wait(stack.submit("download", model=f"local:{smollm2().path}", name="smollm2", host=host))
    run = stack.post("/v1/runs", {"model": "smollm2", "host": host, "spec": {"keep_alive": -1}})["id"]
    eventually(lambda: stack.get(f"/v1/runs/{run}")["state"] == "ready", 120)
    return dict(stack.get(f"/v1/runs/{run}"))


def _straight(runs: Sequence[dict[str, Any]], turn: str) -> float:
    """Tokens a second of the same requests straight at these engines, as many at once as they have slots."""
    asked = [chat("", **_ask(f"{turn} {n}"))["body"] for n in range(_STRAIGHT)]
    with httpx2.Client(timeout=300.0, trust_env=False, headers={WORK: Work.BENCHMARK}) as client:

        def ask(run: dict[str, Any], body: dict[str, Any]) -> int:
            body = body | {"model": run["endpoint"]["served_name"]}
            said = json.loads(client.post(run["endpoint"]["url"] + CHAT, json=body).content)
            return int(said["usage"]["completion_tokens"])

        pools = [ThreadPoolExecutor(int(run["slots"])) for run in runs]
        began = time.monotonic()
        answers = [
            pools[number % len(runs)].submit(ask, runs[number % len(runs)], body) for number, body in enumerate(asked)
        ]
        tokens = sum(answer.result() for answer in answers)
        seconds = time.monotonic() - began
        for pool in pools:
            pool.shutdown()
    return tokens / seconds
