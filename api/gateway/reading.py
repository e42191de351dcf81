"""Reading a dialect's request: JSON whatever its Content-Type says, and fields of the right type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from starlette.requests import Request

from shared.errors import BadRequest, InvalidParameters
from shared.strict_json import strict_json

T = TypeVar("T")

#: How JSON calls what Python calls otherwise.
_WORDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a whole number"}


async def read_object(request: Request) -> dict[str, Any]:
    """The body, a JSON object; clients send it with any Content-Type or none. Raises BadRequest."""
    body = await request.body()
    try:
        asked = strict_json(body)
    except (ValueError, RecursionError) as error:
        why = str(error) if body else "it is empty"
        raise BadRequest("The request is not JSON", why, "send the request as JSON") from error
    if not isinstance(asked, dict):
        raise BadRequest("The request is not an object", f"it is {_said(asked)}", "send an object with its fields")
    return asked


def need(asked: Mapping[str, Any], name: str, kind: type[T], why: str) -> T:
    """A field that must be there and not be empty. Raises InvalidParameters."""
    value = want(asked, name, kind)
    if value is None or value in ("", [], {}):
        raise InvalidParameters(f"{name} is missing", why, f"give {_WORDS.get(kind, kind.__name__)}", field=name)
    return value


def want(asked: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """A field that may be missing or null. Raises InvalidParameters when it is of another type."""
    value = asked.get(name)
    fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    if value is None or fits:
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)  # type: ignore[return-value]
    word = _WORDS.get(kind, "a number")
    raise InvalidParameters(f"{name} is wrong", f"it is {_said(value)}", f"give {word}", field=name)


def _said(value: object) -> str:
    return "null" if value is None else _WORDS.get(type(value), "a number")
