"""Chats with a model that is not loaded: what is added to the load itself, and how many runs twenty at once start."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.gateway.engine_client import EngineClient
from tests.load.figure import Figure, percentile
from tests.models import smollm2
from tests.stack import Stack, running
from tests.waiting import eventually

_CHAT = "/v1/chat/completions"
_TIMES, _AT_ONCE = 5, 20


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), runtimes='["llama-cpp","store"]') as stack:
        stack.wait(stack.submit("download", model=f"local:{smollm2().path}", name="smollm2"))
        seen = [_cold(stack, at_once=1) for _ in range(_TIMES)]
        crowd = _cold(stack, at_once=_AT_ONCE)
    added = [one.seconds - one.load for one in seen]
    note = f"loads of {percentile([one.load for one in seen], 50):.2f} s; median of {_TIMES}"
    yield Figure("first token of a cold chat, beyond the load", percentile(added, 50) * 1000, "ms", 1000, "less", note)
    yield Figure("of it, after the run was ready", percentile([one.late for one in seen], 50) * 1000, "ms")
    yield Figure(f"runs that {_AT_ONCE} cold chats at once start", crowd.runs, "runs", 1, "less")


class _Cold:
    """Of chats that began at the same moment without a run; all in seconds."""

    def __init__(self, began: float, firsts: list[float], runs: list[dict[str, Any]]) -> None:
        [run, *_] = runs
        #: Until the first of them heard something, and from when the run was ready.
        self.seconds = min(firsts) - began
        self.late = min(firsts) - run["ready_at"]
        self.load = float(run["load_seconds"])
        self.runs = len(runs)


def _cold(stack: Stack, at_once: int) -> _Cold:
    known = {run["id"] for run in stack.get("/v1/runs")["data"]}
    began = time.time()
    firsts = asyncio.run(_ask(stack.url, at_once))
    runs = [run for run in stack.get("/v1/runs")["data"] if run["id"] not in known]
    for run in runs:
        _end(stack, run["id"])
    return _Cold(began, firsts, runs)


def _end(stack: Stack, run_id: str) -> None:
    stack.post(f"/v1/runs/{run_id}/stop")
    eventually(lambda: stack.get(f"/v1/runs/{run_id}")["state"] == "stopped", 30)


async def _ask(url: str, count: int) -> list[float]:
    """When each of so many chats had its first token, by this machine's clock, which is the database's."""
    return list(await asyncio.gather(*(_first_token(url) for _ in range(count))))


async def _first_token(url: str) -> float:
    body = {"model": "smollm2", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2, "stream": True}
    client, first = EngineClient(), 0.0
    async with client.post(url + _CHAT, json.dumps(body).encode(), {"Content-Type": "application/json"}) as reply:
        async for piece in reply.pieces():
            if not first and b'"content"' in piece:
                first = time.time()
    client.close()
    assert first, f"{url} said nothing"
    return first
