"""Tools of Ollama's clients, as a chat completion has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.gateway.reading import want
from api.gateway.schemas import Schema, everywhere


def tools_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Ollama itself knows no `tool_choice`; it is OpenAI's here too. Raises InvalidParameters."""
    tools = want(asked, "tools", list)
    if not tools:
        return {}
    choice = {"tool_choice": asked["tool_choice"]} if asked.get("tool_choice") else {}
    return {"tools": [_tool(tool) for tool in tools]} | choice


def _tool(tool: Any) -> Any:
    """What is none is refused where tools of all dialects are."""
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or "parameters" not in function:
        return tool
    return tool | {"function": function | {"parameters": everywhere(function["parameters"], _listed)}}


def _listed(schema: Schema) -> Schema:
    """The client for Python writes the types of a union in one text: `string, integer`."""
    kind = schema.get("type")
    if not isinstance(kind, str) or "," not in kind:
        return schema
    return schema | {"type": [each.strip() for each in kind.split(",")]}
