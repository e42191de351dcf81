"""A batch of 64 chat requests through a job, beside the same requests straight at the same llama.cpp server."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from shared.requests import WORK, Work
from tests.load.figure import Figure
from tests.models import smollm2
from tests.stack import Stack, running

_REQUESTS = 64
_ROUNDS = 3
_TOPICS = ("apples", "rivers", "tides", "bread", "glass", "bees", "trains", "paper")


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), runtimes='["llama-cpp","store"]') as stack:
        run = _load(stack)
        slots = int(run["slots"])
        straight: dict[int, list[float]] = {}
        through: list[float] = []
        for turn in range(_ROUNDS):
            for concurrency in sorted({slots, 2 * slots}):
                straight.setdefault(concurrency, []).append(_straight(run, concurrency, turn))
            through.append(_through(stack, turn))
        best = max(straight, key=lambda c: median(straight[c]))
        raw = median(straight[best])
        yield Figure(f"straight at llama.cpp, {best} at once", raw, "tokens/s", note=f"median of {_ROUNDS}")
        yield Figure("the same through a job", median(through), "tokens/s", note=f"median of {_ROUNDS}, {slots} slots")
        ratios = [job / max(rates[turn] for rates in straight.values()) for turn, job in enumerate(through)]
        yield Figure("batch through a job / straight", 100 * median(ratios), "%", 95)


def _load(stack: Stack) -> dict[str, Any]:
    stack.wait(stack.submit("download", model=f"local:{smollm2().path}", name="smollm2"))
    run = stack.post("/v1/runs", {"model": "smollm2", "spec": {"keep_alive": -1}})
    while (seen := stack.get(f"/v1/runs/{run['id']}"))["state"] != "ready":
        if seen["state"] in ("failed", "stopped"):
            raise AssertionError(seen["error"])
        time.sleep(0.1)
    return dict(seen)


def _bodies(turn: int) -> list[dict[str, Any]]:
    """Each prompt is new, so that no prefix is warm."""
    return [
        {
            "messages": [{"role": "user", "content": f"[{turn}.{i}] Tell me about {_TOPICS[i % len(_TOPICS)]}."}],
            "max_tokens": 48,
            "temperature": 0,
            "ignore_eos": True,
        }
        for i in range(_REQUESTS)
    ]


def _straight(run: dict[str, Any], concurrency: int, turn: int) -> float:
    """Tokens a second of all requests together, `concurrency` at once, from the first sent to the last answered."""
    url = run["endpoint"]["url"] + "/v1/chat/completions"
    bodies = [{**body, "model": run["endpoint"]["served_name"]} for body in _bodies(100 * concurrency + turn)]
    with (
        httpx2.Client(timeout=300.0, trust_env=False, headers={WORK: Work.BENCHMARK}) as client,
        ThreadPoolExecutor(concurrency) as pool,
    ):
        began = time.monotonic()
        answers = list(pool.map(lambda body: client.post(url, json=body).json(), bodies))
        seconds = time.monotonic() - began
    return sum(int(answer["usage"]["completion_tokens"]) for answer in answers) / seconds


def _through(stack: Stack, turn: int) -> float:
    """The same from submit to the job being over, by the database's clock."""
    job = stack.wait(stack.submit("inference", model="smollm2", requests=_bodies(turn)), timeout=600)
    seconds = float(job["finished_at"]) - float(job["created_at"])
    if job["state"] != "succeeded" or job["result"]["succeeded"] != _REQUESTS:
        raise AssertionError(json.dumps(job["error"] or job["result"]))
    return int(job["result"]["completion_tokens"]) / seconds
