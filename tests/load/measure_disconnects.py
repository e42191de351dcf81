"""Clients that leave: how soon the engine is free again, and what thousands of them leave behind.

An engine with one slot takes the next request once it is free: so a request that is sent straight to it, as the client
leaves, is answered when it is. A real llama.cpp tells by itself whether it has anything to do.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.load import llama_leaving
from tests.load.figure import Figure, percentile
from tests.load.leaving import answered, leave_all, leave_streaming
from tests.stack import Stack, running
from tests.waiting import eventually

_HOSTS = ("alpha", "beta")
_WAYS = dict(zip(_HOSTS, ("front door", "front door and agent"), strict=True))
_RUNTIMES = '["echo","llama-cpp","store"]'
_MODELS = [f"echo@{host}" for host in _HOSTS]
_ONE_BY_ONE = 40
#: Of each thousand, how many wait for a run that has no place yet.
_ROUND, _COLD, _AT_ONCE = 1000, 100, 16
#: Thousands that are measured, after one that is not: what Python and the allocator keep for themselves grows for the
#: first few and then no more, while a leak grows with each.
_ROUNDS = 3
_SLOTS = 8
#: Seconds after which what has ended is closed on both sides.
_IDLE = 6.0


def figures() -> Iterator[Figure]:
    own = {"api": {"CIDERMILL_HOST_NAME": "alpha"}}
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), hosts=_HOSTS, runtimes=_RUNTIMES, own_environment=own) as stack,
    ):
        for host, way in _WAYS.items():
            run = _ready(stack, host, 1)
            waits = asyncio.run(_freed(stack, run["endpoint"], f"echo@{host}"))
            note = f"p50 {percentile(waits, 50):.0f} ms, of {_ONE_BY_ONE}"
            yield Figure(
                f"{way}, engine free after its client left, p99", percentile(waits, 99), "ms", 250, "less", note
            )
            _end(stack, run["id"])
        yield from _left_behind(stack)
        yield from llama_leaving.figures(stack, _WAYS)


async def _freed(stack: Stack, engine: dict[str, Any], model: str) -> list[float]:
    """Milliseconds from a client's leaving to the engine's next answer."""
    waits = []
    for _ in range(_ONE_BY_ONE):
        await leave_streaming(stack.url, model)
        left = time.perf_counter()
        await answered(engine["url"], engine["served_name"])
        waits.append((time.perf_counter() - left) * 1000)
    return waits


@dataclass(frozen=True)
class _Held:
    """What the front door and the agents hold."""

    connections: int
    threads: int
    memory: int


def _left_behind(stack: Stack) -> Iterator[Figure]:
    _round(stack, seed=0)
    held = [_held(stack)]
    for number in range(1, _ROUNDS + 1):
        _round(stack, seed=number)
        held.append(_held(stack))
    before, last, after = held[0], held[-2], held[-1]
    yield Figure("requests that still count as in flight", _in_flight(stack), "requests", 0, "less")
    yield Figure("connections more than before", max(0, after.connections - before.connections), "", 0, "less")
    more = max(0, after.threads - before.threads)
    yield Figure("threads more than before", more, "", 12, "less", "those of the pool end when they are idle")
    each = max(0, after.memory - before.memory) / (_ROUNDS * _ROUND) / 1024
    newest = (after.memory - last.memory) / _ROUND / 1024
    note = f"resident, front door and agents; {newest:.2f} KB by each of the last thousand"
    yield Figure(f"memory left by each of {_ROUNDS * _ROUND:,} disconnects", each, "KB", 4, "less", note)


def _round(stack: Stack, seed: int) -> None:
    """Some leave while they wait for a run that finds no place, the others leave runs that are ready."""
    for host in _HOSTS:
        stack.post(f"/v1/hosts/{host}/cordon")
    asyncio.run(leave_all(stack.url, ["echo"], _COLD, _AT_ONCE, seed))
    _end_all(stack)
    for host in _HOSTS:
        stack.post(f"/v1/hosts/{host}/uncordon")
        _ready(stack, host, _SLOTS)
    asyncio.run(leave_all(stack.url, _MODELS, _ROUND - _COLD, _AT_ONCE, seed))
    eventually(lambda: _in_flight(stack) == 0, 30)
    # A slot that is still taken would let one of these wait for ever.
    asyncio.run(_all_slots(stack))


async def _all_slots(stack: Stack) -> None:
    await asyncio.gather(*(answered(stack.url, model) for model in _MODELS for _ in range(_SLOTS)))


def _held(stack: Stack) -> _Held:
    """Once no run is left: connections to engines are kept for the next request, as many as were asked at once."""
    _end_all(stack)
    time.sleep(_IDLE)
    seen = [psutil.Process(stack.processes[name].pid) for name in ("api", *_HOSTS)]
    open_now = [one for process in seen for one in process.net_connections("tcp") if one.status == "ESTABLISHED"]
    threads = sum(process.num_threads() for process in seen)
    return _Held(len(open_now), threads, sum(process.memory_info().rss for process in seen))


def _in_flight(stack: Stack) -> int:
    lines = stack.http.get("/metrics").text.splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("cidermill_gateway_requests{")))


def _ready(stack: Stack, host: str, slots: int) -> dict[str, Any]:
    run = stack.post("/v1/runs", {"model": "echo", "host": host, "spec": {"slots": slots}})["id"]
    eventually(lambda: stack.get(f"/v1/runs/{run}")["state"] == "ready", 60)
    return dict(stack.get(f"/v1/runs/{run}"))


def _end_all(stack: Stack) -> None:
    for run in stack.get("/v1/runs")["data"]:
        _end(stack, run["id"])


def _end(stack: Stack, run_id: str) -> None:
    stack.http.post(f"/v1/runs/{run_id}/stop")
    eventually(lambda: stack.get(f"/v1/runs/{run_id}")["state"] in ("stopped", "failed"), 30)
