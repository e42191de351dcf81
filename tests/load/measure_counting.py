"""Counting a chat's tokens, as coding clients do dozens of times: through the front door, and by the engine itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx2

from tests.load.figure import Figure, percentile
from tests.load.real_engine import engine, with_smollm2
from tests.waiting import eventually

_TIMES = 100
_CHAT = {
    "model": "smollm2",
    "messages": [
        {"role": "system", "content": "You are careful. " * 500},
        {"role": "user", "content": "What is in this repository?"},
    ],
}


def figures() -> Iterator[Figure]:
    with with_smollm2() as stack, httpx2.Client(trust_env=False, timeout=60) as client:
        door = _asking(client, f"{stack.url}/v1/messages/count_tokens")
        cold = _median(door, "tokenizer")
        straight = _asking(client, f"{engine(stack)}/v1/chat/completions/input_tokens")
        warm, own = _median(door, "engine"), _median(straight, None)
    yield Figure("count_tokens of a loaded model, added", warm - own, "ms", 20, "less", f"the engine: {own:.1f} ms")
    yield Figure("count_tokens of a model on disk", cold, "ms", 20, "less", "its own tokenizer, no run")


def _asking(client: httpx2.Client, url: str) -> Callable[[], httpx2.Response]:
    return lambda: client.post(url, json=_CHAT).raise_for_status()


def _median(ask: Callable[[], httpx2.Response], counter: str | None) -> float:
    """Milliseconds of one count, once `counter` is the one who counts."""
    eventually(lambda: ask().headers.get("Cidermill-Count") == counter, 30)
    took = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return percentile(took, 50) * 1000
