"""Read server-sent events out of pieces of bytes (WHATWG HTML §9.2, the part that engines use)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class ServerEvent(NamedTuple):
    """One event: its name (`message` when unnamed) and its data, lines joined by newlines."""

    name: str
    data: str


def read_events(pieces: Iterable[bytes]) -> Iterator[ServerEvent]:
    """Each event at the moment its blank line arrives; comments and an unfinished last event are dropped."""
    name = "message"
    data: list[str] = []
    for line in _lines(pieces):
        if not line:
            if data:
                yield ServerEvent(name, "\n".join(data))
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode(errors="replace")
