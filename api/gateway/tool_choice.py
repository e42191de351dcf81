"""A request that must call a tool, as engines understand it.

Engines take a choice as a hint. llama.cpp lets a model talk as long as it likes before the call that it must make,
knows no choice of one function, and makes nobody call whose template knows no tools. So the answer itself is asked for
in a JSON schema that only calls fit: `{"name": …, "arguments": …}`, or a list of these where `parallel_tool_calls` is
true. The tools stay in the request, so that the template tells the model about them in the words it was trained on.
`forced_call` makes calls out of the answer again. An engine without schemas (mlx-lm) answers as its model likes.

Source: OpenAI's API reference, "tool_choice".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.errors import InvalidParameters

#: Calls in one answer: a small model would not stop by itself.
_MOST_CALLS = 8

Tool = dict[str, Any]


def decided(body: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The engine's request, and whether its answer is a call in JSON. Raises InvalidParameters."""
    choice = body.get("tool_choice")
    if choice in (None, "auto", "none"):
        return body, False
    mode, names = _meant(choice)
    tools = _chosen(body.get("tools"), names)
    body = body | {"tools": tools, "tool_choice": mode}
    if mode != "required":
        return body, False
    schema = _schema(tools, several=body.get("parallel_tool_calls") is True)
    return body | {"response_format": {"type": "json_schema", "json_schema": {"name": "call", "schema": schema}}}, True


def _meant(choice: object) -> tuple[str, set[str] | None]:
    """How strict a choice is, and the functions that it leaves; `None`: all."""
    if choice in ("required", "any"):
        return "required", None
    if isinstance(choice, Mapping):
        allowed = choice.get("allowed_tools")
        if isinstance(allowed, Mapping) and isinstance(allowed.get("tools"), list):
            names = {_name(tool) for tool in allowed["tools"] if isinstance(tool, Mapping)}
            return "required" if allowed.get("mode") == "required" else "auto", names
        if choice.get("type") == "function" and (name := _name(choice)):
            return "required", {name}
    raise InvalidParameters(
        "tool_choice is wrong",
        "it is neither a word nor a function",
        'give "auto", "none", "required", or {"type": "function", "function": {"name": …}}',
        field="tool_choice",
    )


def _chosen(tools: object, names: set[str] | None) -> list[Tool]:
    known = [tool for tool in tools if isinstance(tool, dict) and _name(tool)] if isinstance(tools, list) else []
    if not known:
        raise InvalidParameters(
            "tool_choice cannot be used", "the request has no tools", "give tools, or leave it out", field="tool_choice"
        )
    missing = sorted((names or set()) - {_name(tool) for tool in known})
    if missing or names == set():
        raise InvalidParameters(
            "tool_choice names no tool of the request",
            f"{', '.join(missing) or 'nothing'} is not among {', '.join(_name(tool) for tool in known)}",
            "name one of the tools",
            field="tool_choice",
        )
    return [tool for tool in known if names is None or _name(tool) in names]


def _schema(tools: Sequence[Tool], *, several: bool) -> dict[str, Any]:
    """Each tool's own schema is a definition, for references within it are from the root."""
    calls = [_call(_name(tool), place) for place, tool in enumerate(tools)]
    one = calls[0] if len(calls) == 1 else {"anyOf": calls}
    shape = {"type": "array", "items": one, "minItems": 1, "maxItems": _MOST_CALLS} if several else one
    return shape | {"$defs": {f"tool{place}": _parameters(tool, place) for place, tool in enumerate(tools)}}


def _call(name: str, place: int) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "arguments": {"$ref": f"#/$defs/tool{place}"}},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _parameters(tool: Tool, place: int) -> Any:
    """None means that the function takes none."""
    given = (tool.get("function") or tool).get("parameters")
    if not given:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    return _moved(given, f"#/$defs/tool{place}")


def _moved(schema: Any, root: str) -> Any:
    """With references from where the schema now is."""
    if isinstance(schema, list):
        return [_moved(one, root) for one in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {name: _moved(value, root) for name, value in schema.items()}
    if isinstance(refers := schema.get("$ref"), str) and refers.startswith("#"):
        moved["$ref"] = root + refers[1:]
    return moved


def _name(tool: Mapping[str, Any]) -> str:
    """Of a tool, or of a choice of one."""
    function = tool.get("function")
    named = function if isinstance(function, Mapping) else tool
    return named["name"] if isinstance(named.get("name"), str) else ""
