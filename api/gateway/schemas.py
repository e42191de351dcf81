"""JSON schemas in a request, as llama.cpp makes grammars of them.

Source: JSON Schema, "A Vocabulary for Applying Subschemas"; llama.cpp's `json-schema-to-grammar.cpp`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from api.gateway.pattern import fitted
from shared.errors import InvalidParameters

Schema = dict[str, Any]

#: Where schemas are within a schema: by name, in a list, or alone.
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_ALONE_OR_LISTED = (
    "items", "prefixItems", "additionalItems", "contains", "anyOf", "oneOf", "allOf", "additionalProperties",
    "propertyNames", "then", "else",
)  # fmt: skip
#: Of a schema: data, whatever it looks like.
_DATA = ("const", "default", "enum", "examples")
#: Where a reference may lead to for data to stay data.
_DEFINED = re.compile(r"#/(?:\$defs|definitions)/[^/]+")
#: Fields that an engine makes a grammar of; the last one is llama.cpp's own, as is `grammar`.
_SHAPES = ("response_format", "tools", "json_schema")
_BOUNDS = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minimum", "maximum"))
#: Characters of patterns that are read for one request: a few milliseconds for each thousand.
_MOST_READ = 10_000
_COUNT = re.compile(r"\{\s*([0-9]{1,18})\s*,\s*([0-9]{1,18})\s*\}")
#: What means itself, in a pattern and in a grammar; one that does not end is no pattern, and no grammar.
_CLASS = r"\[(?:\\.|[^\]\\])*+\]?"
_ITSELF = re.compile(rf"\\.|{_CLASS}", re.DOTALL)
_QUOTED = re.compile(rf'"(?:\\.|[^"\\])*+"?|{_CLASS}|#[^\n]*', re.DOTALL)


def everywhere(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """The schema, with what `change` makes of it and of each that is within it."""
    if isinstance(schema, list):
        return [everywhere(each, change) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for keyword in _NAMED:
        if isinstance(named := schema.get(keyword), dict):
            made[keyword] = {name: everywhere(each, change) for name, each in named.items()}
    for keyword in _ALONE_OR_LISTED:
        if keyword in schema:
            made[keyword] = everywhere(schema[keyword], change)
    return change(made)


def fitting(body: Mapping[str, Any]) -> dict[str, Any]:
    """The request with patterns that engines understand, in the schemas of its answer and of its tools."""
    made, readable = dict(body), _Readable()
    if wanted := body.get("response_format"):
        shape = wanted.get("json_schema")
        inner = {"json_schema": _with(shape, "schema", readable)} if isinstance(shape, dict) else {}
        made["response_format"] = _with(wanted, "schema", readable) | inner
    if tools := body.get("tools"):
        made["tools"] = [tool | {"function": _with(tool["function"], "parameters", readable)} for tool in tools]
    return made


def check_bounds(body: Mapping[str, Any]) -> None:
    """Whether every least number is at most its greatest: else llama.cpp takes memory until it is ended, for everybody.

    Raises InvalidParameters.
    """
    for name in _SHAPES:
        _check(body.get(name), name, () if _leads_astray(body.get(name)) else _DATA)
    _check_counts(body.get("grammar"), _QUOTED, "grammar")


def _check(value: Any, place: str, data: Sequence[str]) -> None:
    if isinstance(value, list):
        for position, each in enumerate(value):
            _check(each, f"{place}.{position}", data)
    elif isinstance(value, dict):
        _check_numbers(value, place)
        for name, each in _within(value, data):
            _check(each, f"{place}.{name}", data)


def _within(value: Schema, data: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """What may be a schema, or have one: what properties are called is no keyword."""
    for name, each in value.items():
        if name in _NAMED and isinstance(each, dict):
            yield from ((f"{name}.{called}", schema) for called, schema in each.items())
        elif name not in data:
            yield name, each


def _check_numbers(value: Schema, place: str) -> None:
    for least, greatest in _BOUNDS:
        if least in value and _number(value[least]) > _number(value.get(greatest), float("inf")):
            raise _wrong(place, f"its {least} is more than its {greatest}")
    _check_counts(value.get("pattern"), _ITSELF, f"{place}.pattern")


def _leads_astray(value: Any) -> bool:
    """A reference makes a schema of what it leads to, and that may be data."""
    if isinstance(value, list):
        return any(_leads_astray(each) for each in value)
    if not isinstance(value, dict):
        return False
    leads = value.get("$ref")
    astray = isinstance(leads, str) and _DEFINED.fullmatch(leads) is None
    return astray or any(_leads_astray(each) for each in value.values())


def _check_counts(text: Any, itself: re.Pattern[str], place: str) -> None:
    counts = _COUNT.findall(itself.sub(" ", text)) if isinstance(text, str) else ()
    if any(int(least) > int(most) for least, most in counts):
        raise _wrong(place, "it has a count that ends before it begins")


def _number(value: Any, otherwise: float = float("-inf")) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else otherwise


def _wrong(place: str, why: str) -> InvalidParameters:
    return InvalidParameters(f"{place} is wrong", why, "give the smaller number first", field=place)


class _Readable:
    """Changes the patterns of one request, until that would keep others waiting."""

    def __init__(self) -> None:
        self._left = _MOST_READ

    def __call__(self, schema: Schema) -> Schema:
        pattern = schema.get("pattern")
        if not isinstance(pattern, str) or len(pattern) > self._left:
            return schema
        self._left -= len(pattern)
        return schema | {"pattern": fitted(pattern)}


def _with(holder: Schema, name: str, change: Callable[[Schema], Schema]) -> Schema:
    return holder | {name: everywhere(holder[name], change)} if name in holder else holder
