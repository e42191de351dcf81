"""Requests that are wrong in every way: a valid one with odd values in odd places, or no JSON at all."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

_TEXT = st.text(max_size=8) | st.sampled_from(
    ["\x00", "\ud800", "\r\nX: y", "../../etc/passwd", "%2f..", "‮", "🏴", "a" * 5000, "true", "1e999"]
)
_NUMBER = st.sampled_from(
    [0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 1e308, -1e308, 1e-320, float("nan"), float("inf"), float("-inf")]
)
_LEAF = st.none() | st.booleans() | st.integers() | st.floats() | _TEXT | _NUMBER

#: Any JSON, and what only Python takes for JSON.
ODD: st.SearchStrategy[Any] = st.recursive(
    _LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
#: So deep that a careless reader runs out of stack.
_DEEP = st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b"[" * 5000 + b"]" * 5000])
_NO_JSON = st.sampled_from([b"", b"\xff\xfe", b"\xef\xbb\xbf{}", b"null", b"[]", b'"x"', b"{} {}", b"{,}", b"\x00"])

CONTENT_TYPES = st.sampled_from(
    ["application/json", "", "text/plain", "application/json; charset=utf-16", "multipart/form-data", "x" * 300, "/;="]
)


def _places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all that is in a JSON value, its own first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for name, each in inner for place in _places(each, (*here, name)))]


def _put(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    value[place[0]] = _put(value[place[0]], place[1:], new)
    return value


@st.composite
def mutated(draw: st.DrawFn, valid: dict[str, Any]) -> Any:
    """A valid body in which up to three values are something else."""
    body = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        body = _put(body, draw(st.sampled_from(_places(body))), draw(ODD))
    return body


@st.composite
def written(draw: st.DrawFn, valid: dict[str, Any]) -> bytes:
    """The bytes of a request: mostly a mutated body, sometimes damaged, sometimes nothing of the kind."""
    way = draw(st.sampled_from(["mutated"] * 6 + ["doubled", "cut", "torn", "deep", "none"]))
    if way == "deep":
        return draw(_DEEP)
    if way == "none":
        return draw(_NO_JSON)
    text = json.dumps(draw(mutated(valid)) if way == "mutated" else valid).encode()
    if way == "doubled":
        name = json.dumps(draw(st.sampled_from(sorted(valid)))).encode()
        return text[:-1] + b"," + name + b":" + json.dumps(draw(ODD)).encode() + b"}"
    place = draw(st.integers(0, len(text)))
    return text[:place] if way == "cut" else text[:place] + b"\xff\xc0\x80" + text[place:]
