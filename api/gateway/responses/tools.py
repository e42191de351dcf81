"""Tools of a request for a response, as a chat completion has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.gateway.reading import want
from shared.errors import InvalidParameters


def tools_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Functions, which the client runs; tools that OpenAI would run have nobody to run them here and are left out."""
    allowed = _allowed(asked)
    tools = [
        {"type": "function", "function": _function(tool)}
        for tool in functions(asked)
        if allowed is None or tool["name"] in allowed
    ]
    together = want(asked, "parallel_tool_calls", bool)
    if not tools:
        return {}
    return {"tools": tools} | ({"parallel_tool_calls": together} if together is not None else {})


def choice_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Whether a tool must, may or must not be called, and which. Raises InvalidParameters."""
    choice = asked.get("tool_choice")
    if choice is None or not functions(asked):
        return {}
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        choice = choice.get("mode") or "auto"
    if choice in ("auto", "none", "required"):
        return {"tool_choice": choice}
    if isinstance(choice, dict) and choice.get("type") == "function" and choice.get("name"):
        return {"tool_choice": {"type": "function", "function": {"name": choice["name"]}}}
    raise InvalidParameters(
        "tool_choice is wrong",
        "it is neither a word nor a function",
        'give auto, none, required, or {"type": "function", "name": …}',
        field="tool_choice",
    )


def functions(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tools of the request that are functions. Raises InvalidParameters when one has no name."""
    found = []
    for position, tool in enumerate(want(asked, "tools", list) or ()):
        if not isinstance(tool, dict) or tool.get("type", "function") != "function":
            continue
        if not isinstance(tool.get("name"), str) or not tool["name"]:
            place = f"tools.{position}.name"
            raise InvalidParameters(f"{place} is missing", "calls name their function", "give it", field=place)
        found.append(tool)
    return found


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: tool[name] for name in ("description", "strict") if tool.get(name) is not None}
    parameters = tool.get("parameters") or {"type": "object", "properties": {}}
    return {"name": tool["name"], "parameters": parameters} | given


def _allowed(asked: Mapping[str, Any]) -> set[str] | None:
    choice = asked.get("tool_choice")
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return None
    return {str(tool.get("name")) for tool in want(choice, "tools", list) or () if isinstance(tool, dict)}
