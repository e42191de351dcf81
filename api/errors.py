"""Every error as an answer: one shape, also for what the framework refuses, and never a traceback.

`{"error": {code, what, why, fix, details, message, type, param}}` is Cidermill's three parts and what OpenAI's clients
read; paths of another system's dialect answer in that system's shape (`api.shapes`).
"""

from __future__ import annotations

import errno
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from api import addresses, shapes
from shared.errors import (
    BadRequest,
    CidermillError,
    InvalidParameters,
    NoCapacity,
    NotFound,
    PayloadTooLarge,
    Problem,
    Unauthorized,
    Unavailable,
)
from shared.nearest import did_you_mean

_log = structlog.get_logger(__name__)

#: What is raised when the database does not answer, or was never set up.
NO_DATABASE = (OperationalError, InterfaceError, ProgrammingError, PoolTimeout)
#: Seconds that a client may well be kept waiting: Anthropic's would sleep for hours, and its user would hear nothing.
_LONGEST_PAUSE = 120


def answer(path: str, error: CidermillError) -> JSONResponse:
    """The error as the caller of `path` reads errors."""
    headers = _come_back(error)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    status = shapes.of(path).status(error.status)
    return JSONResponse(body(path, error.problem, status), status, headers)


def _come_back(error: CidermillError) -> dict[str, str]:
    """When to ask again, and for the clients that read it whether to: OpenAI's and Anthropic's do."""
    after = error.problem.details.get("retry_after")
    if after is None and not isinstance(error, NoCapacity):
        return {}
    again = error.problem.retryable and (after or 1) <= _LONGEST_PAUSE
    return {"Retry-After": str(math.ceil(after or 1)), "x-should-retry": "true" if again else "false"}


def body(path: str, problem: Problem, status: int) -> Mapping[str, Any]:
    """The answer's JSON."""
    return shapes.of(path).body(problem, status)


def install(app: FastAPI) -> None:
    """Answer every exception that reaches the app."""
    app.add_exception_handler(CidermillError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    for kind in NO_DATABASE:
        app.add_exception_handler(kind, _database)
    for mistake in (DataError, UnicodeError, OverflowError):
        app.add_exception_handler(mistake, _unstorable)
    app.add_exception_handler(RecursionError, _too_deep)
    app.add_exception_handler(OSError, _system)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, unexpected)


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, CidermillError)
    return answer(request.url.path, error)


def _framework(request: Request, error: Exception) -> Response:
    """404, 405 and broken bodies; an error of ours or the system's that the framework wrapped comes out again."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, CidermillError):
        return answer(request.url.path, error.__cause__)
    if isinstance(error.__cause__, OSError):
        return _system(request, error.__cause__)
    meant = addresses.meant(request) if error.status_code == HTTPStatus.NOT_FOUND else None
    made = _elsewhere(request, meant) if meant else _of_status(error.status_code, request, str(error.detail))
    reply = JSONResponse(body(meant or request.url.path, made.problem, error.status_code), error.status_code)
    reply.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The framework names those of the first route that has the path, and others have it, too.
        reply.headers["Allow"] = ", ".join(addresses.methods(request))
    return reply


def _elsewhere(request: Request, meant: str) -> CidermillError:
    """Told as the clients of what is there read it."""
    asked = f"{request.method} {request.url.path}"
    return NotFound(
        f"There is nothing at {asked}",
        f"there is {request.method} {meant}",
        "change the base URL of the client: some add /v1 to it themselves, and Ollama's add /api",
    )


def _of_status(status: int, request: Request, detail: str) -> CidermillError:
    asked = f"{request.method} {request.url.path}"
    docs = "see /docs for what there is"
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(f"There is nothing at {asked}", "the front door has no such route", docs)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        problem = BadRequest(f"{asked} is not possible", "the route takes other methods", docs)
        problem.problem = problem.problem.model_copy(update={"code": "method_not_allowed"})
        return problem
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return PayloadTooLarge("The request is too large", detail, "send less at once")
    return BadRequest("The request cannot be read", detail, docs)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer(request.url.path, _explained(request, error))


def _explained(request: Request, error: RequestValidationError) -> CidermillError:
    """The first thing that is wrong with a request, and where."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    if first["type"] == "json_invalid":
        why = f"the body is not JSON: {first.get('ctx', {}).get('error', '')} at character {place}"
        return BadRequest("The request cannot be read", why, "send valid JSON")
    content_type = request.headers.get("content-type", "")
    if first["loc"] == ("body",) and "json" not in content_type and "multipart" not in content_type:
        why = f"its Content-Type is {content_type or 'missing'}"
        return BadRequest("The request cannot be read", why, "send JSON with Content-Type: application/json")
    if first["type"] == "extra_forbidden":
        why = f"there is no such field; {did_you_mean(str(first['loc'][-1]), _fields(request))}"
        return InvalidParameters(f"{place} is not known here", why, "remove or rename it", field=place)
    if first["type"] == "missing":
        return InvalidParameters(f"{place or 'The body'} is missing", "it is required", "give it", field=place)
    message = str(first["msg"]).removeprefix("Value error, ")
    why = message[:1].lower() + message[1:]
    return InvalidParameters(f"{place or 'The body'} is wrong", why, "correct it; see /docs for the shape", field=place)


def _fields(request: Request) -> list[str]:
    """Names of the fields that the route's body has."""
    field = getattr(request.scope.get("route"), "body_field", None)
    model = getattr(getattr(field, "field_info", None), "annotation", None)
    return list(getattr(model, "model_fields", {}))


def _database(request: Request, error: Exception) -> Response:
    """The database does not answer, or was never set up; everything else it says is a mistake of ours."""
    if isinstance(error, ProgrammingError) and not _is_unready(error):
        return unexpected(request, error)
    return answer(request.url.path, unanswered(error))


def unanswered(error: Exception) -> Unavailable:
    """What to tell of one of `NO_DATABASE`."""
    said = _said(error)
    _log.warning("the database did not answer", reason=said)
    if _is_unready(error):
        return Unavailable("The database is not set up", "its tables are missing", "run: cidermill db upgrade")
    return Unavailable("The database does not answer", said, "try again in a moment; see `cidermill doctor`")


def _is_unready(error: Exception) -> bool:
    return "no such table" in _said(error) or getattr(getattr(error, "orig", None), "sqlstate", None) == "42P01"


def _said(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def _unstorable(request: Request, error: Exception) -> Response:
    """Text with a null or half a character, a number of more than 64 bits: JSON allows them, no database does."""
    return answer(
        request.url.path,
        InvalidParameters(
            "The request holds what cannot be stored", _said(error), "remove odd characters and huge numbers"
        ),
    )


def _too_deep(request: Request, error: Exception) -> Response:
    """What could just be read may be too deep to be written again, further down."""
    return answer(
        request.url.path,
        BadRequest("The request cannot be passed on", "its lists and objects are nested too deep", "send them flatter"),
    )


def _system(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return unexpected(request, error)
    full = NoCapacity("The request cannot be kept", "the front door's disk is full", "free some space, then try again")
    return answer(request.url.path, full)


def _gone(request: Request, error: Exception) -> Response:
    """The client left before it had said all; nobody reads this."""
    return Response(status_code=499)


def unexpected(request: Request, error: Exception) -> Response:
    """A mistake of ours: the caller gets a sentence, the log gets the traceback."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return _database(request, OperationalError(error.statement, error.params, error.orig or error))
    _log.error("a request failed", method=request.method, path=request.url.path, exc_info=error)
    return answer(
        request.url.path,
        CidermillError(
            "The front door failed at this request",
            f"{type(error).__name__}; the log has the details",
            "try again; if it stays, report it with the log",
        ),
    )


def unknown_key(given: bool) -> Unauthorized:
    return Unauthorized(
        "The API key is not known" if given else "An API key is required",
        "it was revoked or mistyped" if given else "this front door asks every caller who it is",
        "on its machine: cidermill keys create NAME --local; the CLI takes --api-key or CIDERMILL_API_KEY, "
        "others send Authorization: Bearer ck_…",
    )
