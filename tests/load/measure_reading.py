"""A short question while llama.cpp reads long prompts: of other people, and of a batch; and what chunks cost a prompt.

All of it through the front door, and in the same run as the engine does it: it takes one prompt after another.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from itertools import count
from statistics import median
from typing import Any

import httpx2

from shared.requests import WORK, Work
from tests.load.figure import Figure
from tests.load.real_engine import engine, with_smollm2
from tests.stack import Stack
from tests.waiting import eventually

#: Words of a long prompt (four tokens each) and of a short one, how many long ones are read beside, and how often.
_LONG, _SHORT, _BESIDE, _TIMES = 400, 3, 3, 3
#: Seconds after which the short question comes.
_LATER = 0.6
#: Of a request straight to the engine: its prompt goes whole.
_BARE = {WORK: Work.BENCHMARK}
_numbers = count()


def figures() -> Iterator[Figure]:
    with with_smollm2() as stack:
        straight_to = engine(stack)
        through, straight = _alone(stack.url, straight_to)
        note = f"first token after {through:.1f} and {straight:.1f} s"
        yield Figure("long prompt alone, over the engine's own", through / straight, "x", 1.15, "less", note)
        yield from _beside_people(stack.url, straight_to, straight)
        yield _beside_a_batch(stack)


def _alone(door: str, engine_url: str) -> tuple[float, float]:
    """Seconds, in turn, as the machine is not the same from one minute to the next."""
    through, straight = [], []
    for _ in range(_TIMES):
        straight.append(asyncio.run(_first(engine_url, _LONG)))
        through.append(asyncio.run(_first(door, _LONG)))
    return median(through), median(straight)


def _beside_people(door: str, engine_url: str, alone: float) -> Iterator[Figure]:
    through, straight = [], []
    for _ in range(_TIMES):
        straight.append(asyncio.run(_beside(engine_url)))
        through.append(asyncio.run(_beside(door)))
    waits = sorted(short for short, _ in straight)
    note = f"straight to the engine {waits[0]:.1f} to {waits[-1]:.1f} s"
    name = f"short question beside {_BESIDE} long prompts, first token"
    yield Figure(name, median(short for short, _ in through), "s", alone / 4, "less", note)
    over = median(last for _, last in through) / median(last for _, last in straight)
    yield Figure("the long prompts, until all have answered", over, "x", 1.15, "less", "over the engine's own")


def _beside_a_batch(stack: Stack) -> Figure:
    job = stack.submit("inference", model="smollm2", requests=[_chat(_LONG) for _ in range(8)], priority="batch")
    eventually(lambda: stack.get(f"/v1/jobs/{job}")["state"] == "running", 60)
    time.sleep(_LATER)
    waits = [asyncio.run(_first(stack.url, _SHORT)) for _ in range(_TIMES)]
    state = stack.get(f"/v1/jobs/{job}")["state"]
    assert state == "running", state
    stack.post(f"/v1/jobs/{job}/cancel")
    note = f"of 8 such prompts, at most {max(waits):.1f} s"
    return Figure("short question beside a batch, first token", median(waits), "s", 3.0, "less", note)


async def _beside(url: str) -> tuple[float, float]:
    """Seconds to the short question's first token, and until all long ones have one."""
    began = time.perf_counter()
    long = [asyncio.create_task(_first(url, _LONG)) for _ in range(_BESIDE)]
    await asyncio.sleep(_LATER)
    short = await _first(url, _SHORT)
    await asyncio.gather(*long)
    return short, time.perf_counter() - began


async def _first(url: str, words: int) -> float:
    """Seconds to the first token of an answer that is heard to its end."""
    began, first = time.perf_counter(), 0.0
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=600) as client,
        client.stream(
            "POST", f"{url}/v1/chat/completions", json=_chat(words) | {"stream": True}, headers=_BARE
        ) as reply,
    ):
        async for line in reply.aiter_lines():
            if not first and line.startswith("data: {") and _says(json.loads(line[6:])):
                first = time.perf_counter() - began
    return first


def _says(chunk: dict[str, Any]) -> bool:
    return any(choice["delta"].get("content") for choice in chunk["choices"])


def _chat(words: int) -> dict[str, Any]:
    """A prompt that no other begins like."""
    number = next(_numbers)
    text = f"{number} " + " ".join(f"w{(i * 7919 + number * 31) % 9973}" for i in range(words))
    return {"model": "smollm2", "messages": [{"role": "user", "content": text}], "max_tokens": 4}
