"""Tools of a request for a message, as a chat completion has them.

Anthropic's models know some tools by their `type` alone: those that Anthropic runs (`web_search_…`), and some that the
client runs (`bash_…`, `text_editor_…`). Models here know none without its schema. They are left out, for agents send
them always.

Source: Anthropic's API reference, "Tool reference" and "Define tools".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.gateway.reading import need, want
from shared.errors import InvalidParameters

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
#: Types of tools that the request itself describes.
_DESCRIBED = (None, "custom")


def tools_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Tools with a schema, and whether one must, may or must not be called, and which. Raises InvalidParameters."""
    given = [_described(tool, f"tools.{position}") for position, tool in enumerate(want(asked, "tools", list) or ())]
    tools = [{"type": "function", "function": tool} for tool in given if "parameters" in tool]
    choice = want(asked, "tool_choice", dict) or {"type": "auto"}
    wanted = _choice(choice)
    if wanted not in ("auto", "none"):
        _check_left(choice, [tool["name"] for tool in given if "parameters" not in tool], any_left=bool(tools))
    if not tools:
        return {}
    parallel = {"parallel_tool_calls": False} if choice.get("disable_parallel_tool_use") else {}
    return {"tools": tools, "tool_choice": wanted, **parallel}


def _described(tool: object, place: str) -> dict[str, Any]:
    """Without parameters when it is known by its type alone."""
    if not isinstance(tool, dict):
        raise InvalidParameters(f"{place} is wrong", "it is no object", "give name and input_schema", field=place)
    told = {f"{place}.{name}": value for name, value in tool.items()}
    schema = want(told, f"{place}.input_schema", dict)
    if schema is None and want(told, f"{place}.type", str) not in _DESCRIBED:
        return {"name": want(told, f"{place}.name", str) or tool["type"]}
    if schema is None:
        why, fix = "it says what a call has to give", "give it as a JSON schema"
        raise InvalidParameters(f"{place}.input_schema is missing", why, fix, field=f"{place}.input_schema")
    return {
        "name": need(told, f"{place}.name", str, "calls name their tool"),
        "description": want(told, f"{place}.description", str) or "",
        "parameters": schema,
    }


def _choice(choice: Mapping[str, Any]) -> Any:
    kind = choice.get("type")
    if kind == "tool":
        return {"type": "function", "function": {"name": choice.get("name") or ""}}
    if not isinstance(kind, str) or kind not in _CHOICES:
        raise InvalidParameters(
            "tool_choice is wrong", f"its type is {kind or 'missing'}", "give auto, any, tool or none as type",
            field="tool_choice",
        )  # fmt: skip
    return _CHOICES[kind]


def _check_left(choice: Mapping[str, Any], left_out: Sequence[str], *, any_left: bool) -> None:
    """Whether what must be called is still there. Raises InvalidParameters."""
    if any_left and choice.get("name") not in left_out:
        return
    names = ", ".join(left_out)
    why = f"no model here knows {names} without an input_schema" if names else "the request has no tools"
    raise InvalidParameters(
        "tool_choice cannot be used", why, "give the tool an input_schema, or choose auto", field="tool_choice"
    )
