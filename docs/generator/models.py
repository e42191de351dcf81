"""Pydantic models as tables of their fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from docs.generator.comments import field_comments
from docs.generator.markdown import anchor, code, table
from shared.units import Bytes, format_bytes

_LIMITS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"), ("min_length", "at least"), ("max_length", "at most"))
_WORDS = {
    Bytes: "size",
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    Any: "any JSON",
    AwareDatetime: "date",
    NoneType: "null",
}

_FRESH: dict[Any, str] = {dict: "`{}`", list: "`[]`"}


def field_table(model: type[BaseModel]) -> str:
    """Name, type, default and meaning of each field."""
    comments = field_comments(model)
    rows = [
        (code(info.alias or name), _type(info), default(info), _meaning(info, comments.get(name, "")))
        for name, info in model.model_fields.items()
    ]
    return table(("field", "type", "default", "meaning"), rows) if rows else "No fields."


def inner_models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Models that the fields of `model` hold, and theirs, each once and in order."""
    found: dict[type[BaseModel], None] = {}
    for info in model.model_fields.values():
        for inner in _models_in(info.annotation):
            found |= dict.fromkeys([inner, *inner_models(inner)])
    return list(found)


def default(info: FieldInfo) -> str:
    """The default as JSON; `required` when there is none."""
    if info.is_required():
        return "required"
    if info.default_factory is not None:
        return _FRESH.get(info.default_factory, "found at start")
    value = info.default
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
    if value is None:
        return ""
    if info.annotation is Bytes:
        return format_bytes(value)
    return code(json.dumps(to_jsonable_python(value), ensure_ascii=False))


def _type(info: FieldInfo) -> str:
    """An optional field that must be given can be given as null."""
    nullable = info.is_required() and NoneType in get_args(info.annotation)
    return type_name(info.annotation) + (" or null" if nullable else "")


def type_name(annotation: Any) -> str:
    """A type as people write it; models become links to their table."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(inner[0])
    if origin in (Union, UnionType):
        return " or ".join(type_name(one) for one in inner if one is not NoneType)
    if origin is Literal:
        return ", ".join(code(one if isinstance(one, str) else json.dumps(one)) for one in inner)
    if origin is dict:
        return "object" if inner[1] is Any else f"object of {type_name(inner[1])}"
    if origin in (list, tuple):
        return f"list of {type_name(inner[0])}" if inner else "list"
    return _plain(annotation)


def _plain(annotation: Any) -> str:
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            return f"[{annotation.__name__}](#{anchor(annotation.__name__)})"
        if issubclass(annotation, Enum):
            return ", ".join(code(str(member.value)) for member in annotation)
        if issubclass(annotation, SecretStr):
            return "secret text"
    return _WORDS.get(annotation) or str(getattr(annotation, "__name__", annotation)).lower()


def _meaning(info: FieldInfo, comment: str) -> str:
    return " ".join(filter(None, [info.description or comment, _limits(info)]))


def _limits(info: FieldInfo) -> str:
    limits = [
        f"{sign} {getattr(rule, name)}"
        for rule in info.metadata
        for name, sign in _LIMITS
        if getattr(rule, name, None) is not None
    ]
    patterns = [f"matches `{rule.pattern}`" for rule in info.metadata if getattr(rule, "pattern", None)]
    return f"({', '.join(limits + patterns)})" if limits or patterns else ""


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
