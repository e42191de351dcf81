"""Ollama's errors: `{"error": "…"}`."""

from __future__ import annotations

from typing import Any

from api.shapes import Shape, bad_request
from shared.errors import Problem


def body(problem: Problem, status: int) -> dict[str, Any]:
    """The whole answer; also the last line of a stream that broke."""
    return {"error": problem.sentence()}


SHAPE = Shape(body, bad_request)
