"""Reading streams of events as a client does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.api.served import Served


@dataclass(frozen=True)
class Said:
    """One event; `number` is what a client comes back with."""

    name: str
    number: int | None
    data: dict[str, Any]


@contextmanager
def following(door: Served, path: str, **headers: str) -> Iterator[Iterator[Said]]:
    """The events of a stream as they come."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with door.client.stream("GET", path, headers=named) as answer:
        assert answer.status_code == 200, answer.read()
        yield read(answer)


def read(answer: httpx2.Response) -> Iterator[Said]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            number = int(fields["id"]) if "id" in fields else None
            yield Said(fields.get("event", "message"), number, json.loads(fields["data"]))
            fields = {}


def until(events: Iterator[Said], name: str) -> list[Said]:
    """Events up to and with the first of that name."""
    seen = []
    for event in events:
        seen.append(event)
        if event.name == name:
            return seen
    raise AssertionError(f"the stream ended without {name}: {[event.name for event in seen]}")
