"""How errors and limits look to whom: each dialect has its own shape for the paths it serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from shared.errors import Problem
from shared.quotas import Standing

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


#: How a key stands: of `requests` and of `tokens`, the window that has least left.
Standings = Mapping[str, Standing]


def openai_limits(standings: Standings, moment: float) -> dict[str, str]:
    """OpenAI's headers, `x-ratelimit-remaining-requests` and the like; `moment` is now."""
    headers: dict[str, str] = {}
    for unit, standing in standings.items():
        headers[f"x-ratelimit-limit-{unit}"] = str(standing.limit)
        headers[f"x-ratelimit-remaining-{unit}"] = str(standing.left)
        headers[f"x-ratelimit-reset-{unit}"] = f"{standing.reset:.0f}s"
    return headers


@dataclass(frozen=True, slots=True)
class Shape:
    """One dialect's errors: the body, and the status where the dialect knows another one; and its headers of limits."""

    body: Callable[[Problem, int], Mapping[str, Any]]
    status: Callable[[int], int] = lambda status: status
    limits: Callable[[Standings, float], Mapping[str, str]] = openai_limits


def openai(problem: Problem, status: int) -> dict[str, Any]:
    """OpenAI's `{message, type, param, code}`."""
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _TYPES.get(status, "invalid_request_error")
    return {
        "message": problem.sentence(),
        "type": kind,
        "param": problem.details.get("field"),
        "code": problem.code,
    }


def own(problem: Problem, status: int) -> dict[str, Any]:
    """Cidermill's three parts, and beside them what OpenAI's clients read: some paths are both."""
    said = problem.model_dump(mode="json", include={"code", "what", "why", "fix", "details"})
    return {"error": said | openai(problem, status)}


def bad_request(status: int) -> int:
    """For dialects that do not know 422."""
    return HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status


OWN = Shape(own)
OPENAI = Shape(lambda problem, status: {"error": openai(problem, status)}, bad_request)

_by_prefix: dict[str, Shape] = {}


def register(shape: Shape, *prefixes: str) -> None:
    """Paths that begin like this answer errors in this shape."""
    _by_prefix.update(dict.fromkeys(prefixes, shape))


def of(path: str) -> Shape:
    """The shape for a path: of the longest prefix, else our own."""
    fitting = [prefix for prefix in _by_prefix if path.startswith(prefix)]
    return _by_prefix[max(fitting, key=len)] if fitting else OWN
