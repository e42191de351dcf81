"""What the gateway costs: streams through the front door against the same streams straight from the engine.

The engine is `echo`, which says 2,000 tokens a second altogether, one event each. The ways take turns, so that what
else the machine does meets all of them. Each turn begins with a few tokens that do not count.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.load.figure import Figure, percentile
from tests.load.gateway_peers import peers
from tests.load.streams import Asker, Heard
from tests.stack import Stack, running
from tests.waiting import eventually

_RATE = 2000
#: Streams at once, tokens of each, how often one after the other, and how many turns each way has.
_ONE, _MANY = (1, 400, 20, 10), (32, 120, 3, 5)
_OPEN = 500


def figures() -> Iterator[Figure]:
    own = {"api": {"CIDERMILL_HOST_NAME": "alpha"}}
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), hosts=("alpha", "beta"), own_environment=own) as stack,
    ):
        near, far = _ready(stack, "alpha"), _ready(stack, "beta")
        with peers(Path(folder), near["url"]) as beside:
            ways = {
                "straight": Asker(near["url"], near["served_name"]),
                "front door": Asker(stack.url, "echo@alpha"),
                "front door and agent": Asker(stack.url, "echo@beta"),
                **{name: Asker(peer.url, near["served_name"], turn=peer.turn) for name, peer in beside.items()},
            }
            for count, tokens, times, turns in (_ONE, _MANY):
                yield from _compared(asyncio.run(_turns(ways, count, tokens, times, turns)), count)
        yield from _memory(stack, far)


def _ready(stack: Stack, host: str) -> dict[str, Any]:
    """The endpoint of a run of `echo` on this host, with a slot for every stream of this test."""
    run = stack.post("/v1/runs", {"model": "echo", "host": host, "spec": {"slots": 256}})["id"]
    eventually(lambda: stack.get(f"/v1/runs/{run}")["state"] == "ready", 60)
    return dict(stack.get(f"/v1/runs/{run}")["endpoint"])


async def _turns(ways: dict[str, Asker], count: int, tokens: int, times: int, turns: int) -> dict[str, Heard]:
    heard = {name: Heard() for name in ways}
    for asker in ways.values():
        asker.client = type(asker.client)()
    for _ in range(turns):
        for name, asker in ways.items():
            with asker.turn():
                await asker.streams(count, 5, 0.0)
                heard[name] += await asker.streams(count, tokens, count / _RATE, times)
    for asker in ways.values():
        asker.client.close()
    return heard


def _compared(heard: dict[str, Heard], count: int) -> Iterator[Figure]:
    straight = heard.pop("straight")
    base = {percent: percentile(straight.first, percent) * 1000 for percent in (50, 99)}
    note = f"straight {base[50]:.2f} ms p50, {base[99]:.2f} ms p99, {straight.rate:,.0f} tokens/s"
    for name, said in heard.items():
        ours = name == "front door"
        for percent, target in ((50, 4.0), (99, 12.0)):
            added = percentile(said.first, percent) * 1000 - base[percent]
            label = f"{name}, {count} streams, first token p{percent} added"
            yield Figure(label, added, "ms", target if ours else None, "less", note)
        share = said.rate / straight.rate * 100
        yield Figure(f"{name}, {count} streams, tokens per second", share, "% of the engine", 95 if ours else None)


def _memory(stack: Stack, far: dict[str, Any]) -> Iterator[Figure]:
    """All streams are open at once on one process; memory counts from when it has served as many before."""
    front_door = psutil.Process(stack.processes["api"].pid)
    heard, each = asyncio.run(_opened(Asker(stack.url, "echo"), front_door))
    yield Figure("open streams", heard, "streams", _OPEN)
    yield Figure("memory of an open stream", each / 1024, "KB", 100, "less", "the front door's resident memory")


async def _opened(asker: Asker, process: psutil.Process) -> tuple[int, float]:
    before = process.memory_info().rss
    streams = asyncio.create_task(asker.streams(_OPEN, 12, 1.0))
    await asyncio.sleep(8.0)
    each = (process.memory_info().rss - before) / _OPEN
    return len((await streams).first), each
