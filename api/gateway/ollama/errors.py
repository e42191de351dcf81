"""Ollama's errors: `{"error": "…"}`."""

from __future__ import annotations

from typing import Any

from api.shapes import Shape, bad_request
from shared.errors import NotFound, Problem


def body(problem: Problem, status: int) -> dict[str, Any]:
    """The whole answer; also the last line of a stream that broke."""
    return {"error": _sentence(problem)}


def _sentence(problem: Problem) -> str:
    """Of a model that is not there in Ollama's words, since clients look for them, with ours behind."""
    model = problem.details.get("model")
    if problem.code != NotFound.code or model is None:
        return problem.sentence()
    return problem.model_copy(update={"what": f"model '{model}' not found"}).sentence()


SHAPE = Shape(body, bad_request)
