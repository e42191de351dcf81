"""A request for a message, as the chat completion that engines understand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from api.gateway.reading import need, want
from api.gateway.thinking import told_to_think
from api.gateway.thoughts_apart import FIELD
from shared.errors import InvalidParameters

_SAME = ("temperature", "top_p", "top_k")


def chat_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's request, without its model. Raises InvalidParameters."""
    limit = want(asked, "max_tokens", int)
    if limit is None or limit < 1:
        raise InvalidParameters(
            "max_tokens is missing" if limit is None else "max_tokens is too small",
            "it says how long the answer may become",
            "give a whole number of at least 1",
            field="max_tokens",
        )
    body: dict[str, Any] = {"messages": list(_messages(asked)), "max_tokens": limit}
    body |= {name: asked[name] for name in _SAME if want(asked, name, float) is not None}
    if stops := want(asked, "stop_sequences", list):
        body["stop"] = stops
    return body | _tools(asked) | _thinking(asked) | _format(asked)


def _messages(asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    system = _text(asked.get("system") or "", "system")
    if system:
        yield {"role": "system", "content": system}
    for position, message in enumerate(need(asked, "messages", list, "a chat has at least one message")):
        place = f"messages.{position}"
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
            raise InvalidParameters(f"{place} is wrong", "it has no role", "give role and content", field=place)
        blocks = _blocks(message.get("content"), place)
        yield from _assistant(blocks) if message["role"] == "assistant" else _user(blocks, message["role"], place)


def _blocks(content: object, place: str) -> list[dict[str, Any]]:
    """Content as a list of blocks: a text is one block."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list) and all(isinstance(block, dict) and "type" in block for block in content):
        return content
    raise InvalidParameters(
        f"{place}.content is wrong", "it is neither a text nor a list of blocks", "give blocks with a type", field=place
    )


def _user(blocks: list[dict[str, Any]], role: str, place: str) -> Iterator[dict[str, Any]]:
    """Results of tools come first, each a message of its own, as the calls they answer came last."""
    parts: list[dict[str, Any]] = []
    for block in blocks:
        if block["type"] == "tool_result":
            said = _text(block.get("content") or "", place)
            content = f"Error: {said}" if block.get("is_error") else said
            yield {"role": "tool", "tool_call_id": block.get("tool_use_id") or "", "content": content}
            # What a tool shows, the next message shows: results of tools are text to engines.
            parts += _images(_blocks(block.get("content") or "", place), place)
        elif block["type"] == "text":
            parts.append({"type": "text", "text": block.get("text") or ""})
        else:
            parts += _images([block], place)
    if parts:
        plain = all(part["type"] == "text" for part in parts)
        yield {"role": role, "content": "\n".join(part["text"] for part in parts) if plain else parts}


def _images(blocks: list[dict[str, Any]], place: str) -> list[dict[str, Any]]:
    return [
        {"type": "image_url", "image_url": {"url": _image(block, place)}}
        for block in blocks
        if block["type"] == "image"
    ]


def _assistant(blocks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Thoughts go along in a field of their own; which of them the model reads again is decided for all dialects."""
    calls = [
        {
            "id": block.get("id") or "",
            "type": "function",
            "function": {"name": block.get("name") or "", "arguments": json.dumps(block.get("input") or {})},
        }
        for block in blocks
        if block["type"] == "tool_use"
    ]
    text = "\n".join(block.get("text") or "" for block in blocks if block["type"] == "text")
    thought = "\n".join(block.get("thinking") or "" for block in blocks if block["type"] == "thinking")
    said = {"role": "assistant", "content": text} | ({FIELD: thought} if thought else {})
    yield said | ({"tool_calls": calls} if calls else {})


def _image(block: Mapping[str, Any], place: str) -> str:
    """As a data URL; addresses are refused, for the engine would fetch whatever they name."""
    source = block.get("source") or {}
    if source.get("type") == "base64" and source.get("data"):
        return f"data:{source.get('media_type') or 'image/png'};base64,{source['data']}"
    raise InvalidParameters(
        f"{place} has an image that cannot be used",
        f"its source is {source.get('type') or 'missing'}",
        "send the image itself: source.type base64",
        field=place,
    )


def _text(content: object, place: str) -> str:
    """All text of a content, one block a line."""
    return "\n".join(block.get("text") or "" for block in _blocks(content, place) if block["type"] == "text")


def _tools(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Tools the client runs; those that Anthropic would run itself have no schema and nobody to run them here."""
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool.get("name") or "",
                "description": tool.get("description") or "",
                "parameters": tool["input_schema"],
            },
        }
        for tool in want(asked, "tools", list) or ()
        if isinstance(tool, dict) and isinstance(tool.get("input_schema"), dict)
    ]
    if not tools:
        return {}
    choice = want(asked, "tool_choice", dict) or {"type": "auto"}
    chosen: Any = {"any": "required", "none": "none"}.get(str(choice.get("type")), "auto")
    if choice.get("type") == "tool":
        chosen = {"type": "function", "function": {"name": choice.get("name") or ""}}
    parallel = {"parallel_tool_calls": False} if choice.get("disable_parallel_tool_use") else {}
    return {"tools": tools, "tool_choice": chosen, **parallel}


def _thinking(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Models whose template can think or not are told which."""
    thinking = want(asked, "thinking", dict)
    if thinking is None:
        return {}
    return told_to_think(thinking.get("type") != "disabled")


def _format(asked: Mapping[str, Any]) -> dict[str, Any]:
    """An answer in a JSON schema."""
    wanted = asked.get("output_format") or (want(asked, "output_config", dict) or {}).get("format") or {}
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return {}
    schema = {"name": "answer", "schema": wanted.get("schema") or {}, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}
