"""Long prompts of jobs: read in chunks, one prompt of a run after the other, and behind people.

An engine that reads is as fast with one prompt as with many, so nothing is lost when they take turns, and who asks a
short question waits for one chunk and not for one of each. Between two chunks what people ask is read first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

from shared.chunked_prefill import NOTHING, Part, Prefilled, RecentPrompts, chunks, worth_it
from shared.errors import EngineFailed
from shared.foreign_json import read_foreign
from shared.loopback import Check, get, in_flight, post
from shared.requests import COMPLETION, EngineRequest
from shared.runtimes import Endpoint

_HEADERS = {"Content-Type": "application/json"}
#: llama.cpp's, which tells of each slot whether it works, and how much of the answer it has written.
_SLOTS = "/slots"
#: Seconds between two looks at whether somebody's turn is over, and how long a chunk waits for people at most.
_LOOK, _POLITE = 0.05, 2.0

_RECENT = RecentPrompts()
#: By the run's address: who reads now.
_TURNS: dict[str, threading.Lock] = {}


def read_ahead(endpoint: Endpoint, request: EngineRequest, size: int, *, timeout: float, check: Check) -> Prefilled:
    """Have a long prompt read but for its last step; `size` is the request's in bytes.

    `timeout` is in seconds of the engine's work. Raises RunDied, EngineFailed when it takes longer, and what `check`
    raises.
    """
    step = endpoint.prefill_step
    if not worth_it(step, size):
        return NOTHING
    known = partial(_RECENT.known, endpoint.url, endpoint.slots)
    talk = chunks(step, endpoint.context, request.path, request.body, known)
    with _turn(endpoint.url, check):
        spent, said = 0.0, None
        while True:
            try:
                part = talk.send(said)
            except StopIteration as ended:
                prefilled: Prefilled = ended.value
                return prefilled
            if part.path == COMPLETION:
                _after_people(endpoint, check)
            part.begins()
            began = time.monotonic()
            said = _asked(endpoint, part, timeout - spent, check)
            spent += time.monotonic() - began


@contextmanager
def _turn(url: str, check: Check) -> Iterator[None]:
    lock = _TURNS.setdefault(url, threading.Lock())
    while not lock.acquire(timeout=_LOOK):
        check()
    try:
        yield
    finally:
        lock.release()


def _asked(endpoint: Endpoint, part: Part, timeout: float, check: Check) -> bytes | None:
    if in_flight(endpoint.url) >= endpoint.slots:
        # Somebody waits for a slot, and would be given this one between two chunks.
        return None
    with post(endpoint.url + part.path, part.content, _HEADERS, timeout, check) as reply:
        content = reply.read()
        return content if reply.status == HTTPStatus.OK else None


def _after_people(endpoint: Endpoint, check: Check) -> None:
    """Return once nobody's prompt is read, or after a while."""
    until = time.monotonic() + _POLITE
    while (left := until - time.monotonic()) > 0 and _somebody_reads(endpoint, left, check):
        time.sleep(_LOOK)
        check()


def _somebody_reads(endpoint: Endpoint, timeout: float, check: Check) -> bool:
    """An engine that does not tell in time is at a long step, so that somebody does."""
    try:
        status, content = get(endpoint.url + _SLOTS, timeout, check)
        slots = read_foreign(content) if status == HTTPStatus.OK else []
    except EngineFailed:
        return True
    except ValueError:
        return False
    return isinstance(slots, list) and any(map(_reads, slots))


def _reads(slot: Any) -> bool:
    if not isinstance(slot, dict) or not slot.get("is_processing"):
        return False
    token = slot.get("next_token")
    token = token[0] if isinstance(token, list) and token else token
    return isinstance(token, dict) and token.get("n_decoded") == 0
