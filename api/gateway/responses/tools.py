"""Tools of a request for a response, as a chat completion has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.gateway.reading import need, want
from shared.errors import InvalidParameters


def tools_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Functions, which the client runs; tools that OpenAI would run have nobody to run them here and are left out."""
    allowed = _allowed(asked)
    tools = [
        {"type": "function", "function": _sent(tool)}
        for tool in functions(asked)
        if allowed is None or tool["name"] in allowed
    ]
    together = want(asked, "parallel_tool_calls", bool)
    if not tools:
        return {}
    return {"tools": tools} | ({"parallel_tool_calls": together} if together is not None else {})


def choice_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Whether a tool must, may or must not be called, and which. Raises InvalidParameters."""
    choice = repeated_choice(asked)
    if asked.get("tool_choice") is None or not functions(asked):
        return {}
    if isinstance(choice, str):
        return {"tool_choice": choice}
    if choice["type"] == "allowed_tools":
        return {"tool_choice": choice["mode"]}
    return {"tool_choice": {"type": "function", "function": {"name": choice["name"]}}}


def repeated_choice(asked: Mapping[str, Any]) -> str | dict[str, Any]:
    """The choice as a response tells it: `auto` where no function is left to choose. Raises InvalidParameters."""
    left = functions(asked)
    meant = _meant(asked.get("tool_choice"), of_functions=bool(left))
    return meant if left else "auto"


def _meant(choice: Any, *, of_functions: bool) -> str | dict[str, Any]:
    match choice:
        case None:
            return "auto"
        case "auto" | "none" | "required":
            return str(choice)
        case {"type": "function", "name": str(name)} if name:
            return {"type": "function", "name": name}
        case {"type": "allowed_tools"} if (mode := choice.get("mode") or "auto") in ("auto", "required"):
            tools = [tool for tool in want(choice, "tools", list) or () if isinstance(tool, dict)]
            return {"type": "allowed_tools", "mode": mode, "tools": tools}
        case {"type": str(kind)} if kind not in ("function", "allowed_tools") and not of_functions:
            # Of a tool that OpenAI would run: it was left out.
            return "auto"
    raise InvalidParameters(
        "tool_choice is wrong",
        "it is neither a word nor a function",
        'give auto, none, required, or {"type": "function", "name": …}',
        field="tool_choice",
    )


def functions(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tools of the request that are functions, with all fields of one. Raises InvalidParameters."""
    found = []
    for position, tool in enumerate(want(asked, "tools", list) or ()):
        place = f"tools.{position}"
        if not isinstance(tool, dict):
            raise InvalidParameters(f"{place} is wrong", "it is no object", "give type and name", field=place)
        if tool.get("type", "function") == "function":
            found.append(_function(tool, place))
    return found


def _function(tool: Mapping[str, Any], place: str) -> dict[str, Any]:
    told = {f"{place}.{name}": value for name, value in tool.items()}
    return {
        "type": "function",
        "name": need(told, f"{place}.name", str, "calls name their function"),
        "description": want(told, f"{place}.description", str),
        "parameters": want(told, f"{place}.parameters", dict),
        "strict": want(told, f"{place}.strict", bool),
    }


def _sent(function: Mapping[str, Any]) -> dict[str, Any]:
    """As engines read it, who want to know what it takes."""
    given = {name: function[name] for name in ("description", "strict") if function[name] is not None}
    parameters = function["parameters"] or {"type": "object", "properties": {}}
    return {"name": function["name"], "parameters": parameters} | given


def _allowed(asked: Mapping[str, Any]) -> set[str] | None:
    choice = asked.get("tool_choice")
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return None
    return {str(tool.get("name")) for tool in want(choice, "tools", list) or () if isinstance(tool, dict)}
