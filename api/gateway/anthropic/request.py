"""A request for a message, as the chat completion that engines understand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from api.gateway.anthropic.blocks import blocks, check_spoken, parts, plain
from api.gateway.anthropic.impossible import check_possible
from api.gateway.anthropic.tools import tools_of
from api.gateway.reading import need, want
from api.gateway.thinking import told_to_think
from api.gateway.thoughts_apart import FIELD
from shared.errors import InvalidParameters

_SAME = ("temperature", "top_p", "top_k")
#: Ways to think; `adaptive` leaves it to the model how long.
_THINKING = ("enabled", "disabled", "adaptive")


def chat_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's request, without its model. Raises InvalidParameters."""
    check_possible(asked)
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
        # llama.cpp tells at which of them it stopped only when it is to tell everything; others ignore the word.
        body |= {"stop": stops, "verbose": True}
    return body | tools_of(asked) | _thinking(asked) | _format(asked)


def _messages(asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if system := plain(list(parts(blocks(asked.get("system") or "", "system"), "system"))):
        yield {"role": "system", "content": system}
    for position, message in enumerate(need(asked, "messages", list, "a chat has at least one message")):
        place = f"messages.{position}"
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
            raise InvalidParameters(f"{place} is wrong", "it has no role", "give role and content", field=place)
        said = blocks(message.get("content"), place)
        yield from _assistant(said, place) if message["role"] == "assistant" else _user(said, message["role"], place)


def _user(said: list[dict[str, Any]], role: str, place: str) -> Iterator[dict[str, Any]]:
    """Results of tools come first, each a message of its own, as the calls they answer came last."""
    rest: list[dict[str, Any]] = []
    for block in said:
        if block["type"] != "tool_result":
            rest += parts([block], place)
            continue
        shown = list(parts(blocks(block.get("content") or "", place), place))
        content = f"Error: {plain(shown)}" if block.get("is_error") else plain(shown)
        yield {"role": "tool", "tool_call_id": block.get("tool_use_id") or "", "content": content}
        # What a tool shows, the next message shows: results of tools are text to engines.
        rest += [part for part in shown if part["type"] != "text"]
    if rest:
        only_text = all(part["type"] == "text" for part in rest)
        yield {"role": role, "content": plain(rest) if only_text else rest}


def _assistant(said: list[dict[str, Any]], place: str) -> Iterator[dict[str, Any]]:
    """Thoughts go along in a field of their own; which of them the model reads again is decided for all dialects."""
    for block in said:
        check_spoken(block, place)
    calls = [
        {
            "id": block.get("id") or "",
            "type": "function",
            "function": {"name": block.get("name") or "", "arguments": json.dumps(block.get("input") or {})},
        }
        for block in said
        if block["type"] == "tool_use"
    ]
    text = "\n".join(want(block, "text", str) or "" for block in said if block["type"] == "text")
    thought = "\n".join(want(block, "thinking", str) or "" for block in said if block["type"] == "thinking")
    turn = {"role": "assistant", "content": text} | ({FIELD: thought} if thought else {})
    yield turn | ({"tool_calls": calls} if calls else {})


def _thinking(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Models whose template can think or not are told which; llama.cpp ends a thought that is longer than it may be."""
    thinking = want(asked, "thinking", dict)
    if thinking is None:
        return {}
    if (kind := thinking.get("type")) not in _THINKING:
        raise InvalidParameters(
            "thinking.type is wrong",
            f"it is {kind or 'missing'}",
            f"give one of {', '.join(_THINKING)}",
            field="thinking.type",
        )
    budget = want(thinking, "budget_tokens", int) if kind == "enabled" else None
    limit = {"thinking_budget_tokens": budget} if budget else {}
    return told_to_think(kind != "disabled") | limit


def _format(asked: Mapping[str, Any]) -> dict[str, Any]:
    """An answer in a JSON schema."""
    config = want(asked, "output_config", dict) or {}
    given = {"output_format": asked.get("output_format"), "output_config.format": config.get("format")}
    for place in given:
        if (wanted := want(given, place, dict)) is not None:
            return {"response_format": {"type": "json_schema", "json_schema": _schema(wanted, place)}}
    return {}


def _schema(wanted: Mapping[str, Any], place: str) -> dict[str, Any]:
    if (kind := wanted.get("type")) != "json_schema":
        raise InvalidParameters(
            f"{place}.type is wrong", f"it is {kind or 'missing'}", "give json_schema", field=f"{place}.type"
        )
    name = f"{place}.schema"
    schema = want({name: wanted.get("schema")}, name, dict)
    if schema is None:
        raise InvalidParameters(f"{name} is missing", "the answer is to fit it", "give a JSON schema", field=name)
    return {"name": "answer", "schema": schema, "strict": True}
