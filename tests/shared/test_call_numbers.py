"""Pieces of tool calls that find their call."""

from __future__ import annotations

from typing import Any

import pytest

from shared.assembly import Assembly
from shared.call_numbers import CallNumbers


def piece(arguments: str, call_id: str | None = None, name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": call_id, "function": {"name": name, "arguments": arguments}, **more}


@pytest.mark.parametrize(
    ("pieces", "numbers"),
    [
        ([piece("", "a", index=1), piece("{}", index=1), piece("{}", "b", index=0)], [1, 1, 0]),
        ([piece("{", "a", "look"), piece("}"), piece("{}", "b", "look")], [0, 0, 1]),
        ([piece("{", "a", "look"), piece("}", "a", "look"), piece("{", "b"), piece("}", "a")], [0, 0, 1, 0]),
        ([piece("{}", name="look"), piece("{}", name="look", index=None)], [0, 1]),
        ([piece("{", "a", index=0), piece("}", index=0), piece("{", "b", index=0), piece("}", index=0)], [0, 0, 1, 1]),
        ([piece("{", "a", index=0), piece("{", "b", index=0), piece("}", "a", index=0)], [0, 1, 0]),
        ([piece("{}"), piece("{}", "a", index=5), piece("{}", "b")], [0, 5, 6]),
    ],
)
def test_every_piece_finds_its_call(pieces: list[dict[str, Any]], numbers: list[int]) -> None:
    known = CallNumbers()
    assert [known.of(one) for one in pieces] == numbers


def test_calls_without_numbers_are_put_together() -> None:
    assembly = Assembly()
    for one in (piece('{"x"', "a", "look"), piece(": 1}"), piece("{}", "b", "see", index=None)):
        assembly.add({"choices": [{"index": 0, "delta": {"tool_calls": [one]}, "finish_reason": None}]})
    calls = assembly.response()["choices"][0]["message"]["tool_calls"]
    assert [(call["id"], call["function"]["arguments"]) for call in calls] == [("a", '{"x": 1}'), ("b", "{}")]
