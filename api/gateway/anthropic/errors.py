"""Anthropic's errors: `{"type": "error", "error": {"type", "message", "details"}, "request_id"}`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from api import request_id
from api.gateway.anthropic.limits import limits
from api.shapes import Shape, bad_request
from shared.errors import ContextExceeded, Problem

_TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "overloaded_error",
    529: "overloaded_error",
}
#: Of a problem's details, those that clients act on by themselves.
_ACTED_ON = ("error_code", "unsupported")


def body(problem: Problem, status: int) -> dict[str, Any]:
    """The whole answer; also what follows `event: error` in a stream. Its id is the one of the headers."""
    server = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    kind = _TYPES.get(status, "api_error" if server else "invalid_request_error")
    said: dict[str, Any] = {"type": kind, "message": _too_long(problem) + problem.sentence()}
    if details := {name: problem.details[name] for name in _ACTED_ON if name in problem.details}:
        said["details"] = details
    return {"type": "error", "error": said, "request_id": request_id.current()}


def _too_long(problem: Problem) -> str:
    """Anthropic's own words, with its numbers: Claude Code shortens a talk by itself when it reads them."""
    if problem.code != ContextExceeded.code:
        return ""
    tokens, most = problem.details.get("tokens"), problem.details.get("most") or problem.details.get("context")
    return f"prompt is too long: {tokens} tokens > {most} maximum. " if tokens and most else "prompt is too long. "


def known(status: int) -> int:
    """Anthropic's number for being overloaded is its own, and clients ask again after it."""
    return 529 if status == HTTPStatus.SERVICE_UNAVAILABLE else bad_request(status)


SHAPE = Shape(body, known, limits)
