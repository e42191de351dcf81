"""Parameters as people write them on a command line: `key=value` pairs and JSON from a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shared.errors import BadRequest


def pairs(texts: Iterable[str]) -> dict[str, Any]:
    """`a=1`, `name=Ada` and `spec.context=2048` as nested parameters; a value that is JSON is read as JSON.

    Raises BadRequest for a text without `=`.
    """
    found: dict[str, Any] = {}
    for text in texts:
        path, value = _split(text)
        *outer, last = path.split(".")
        place = found
        for name in outer:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise BadRequest(
                    f"{text!r} contradicts {name}={place}", "it is a value already", "leave one of them out"
                )
        place[last] = _value(value)
    return found


def labels(texts: Iterable[str] | None) -> dict[str, str]:
    """`key=value` pairs, as they are. Raises BadRequest for a text without `=`."""
    return dict(_split(text) for text in texts or ())


def read_params(source: str) -> dict[str, Any]:
    """An object from `@file`, from standard input (`-`) or from the text itself. Raises BadRequest."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source[1:]).read_text() if source[:1] == "@" else source
        params = json.loads(text)
    except OSError as error:
        raise BadRequest(f"{source[1:]} cannot be read", str(error.strerror).lower(), "name a JSON file") from error
    except ValueError as error:
        raise BadRequest("The parameters are not JSON", str(error), 'write an object: {"model": …}') from error
    if not isinstance(params, dict):
        raise BadRequest("The parameters are not an object", f"they are a {type(params).__name__}", "write {…}")
    return params


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise BadRequest(f"{text!r} is no key=value", "there is no = in it", "write it as key=value")
    return name, value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
