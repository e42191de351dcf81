"""Functions as OpenAI's clients named them before there were tools: `functions`, `function_call`, the role `function`.

Source: OpenAI's API reference, "Create chat completion", fields marked as deprecated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api.gateway.reading import want
from shared.errors import InvalidParameters

_OURS = ("functions", "function_call")


def is_old(asked: Mapping[str, Any]) -> bool:
    """Whether the answer's call has to be told in the old way."""
    return bool(asked.get("functions")) and not asked.get("tools")


def as_tools(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The request in today's words. Raises InvalidParameters."""
    body = {name: value for name, value in asked.items() if name not in _OURS}
    body["messages"] = list(_messages(asked["messages"]))
    if not is_old(asked):
        return body
    body["tools"] = [{"type": "function", "function": one} for one in want(asked, "functions", list) or ()]
    if (choice := _choice(asked.get("function_call"))) is not None:
        body["tool_choice"] = choice
    return body | {"parallel_tool_calls": False}


def tell_old(choice: dict[str, Any]) -> None:
    """A choice of an answer or of a chunk of one, in the old words: of several calls only the first."""
    spoken = choice.get("message") or choice.get("delta") or {}
    for call in spoken.pop("tool_calls", None) or ():
        if not call.get("index"):
            spoken.setdefault("function_call", call.get("function") or {})
    if choice.get("finish_reason") == "tool_calls":
        choice["finish_reason"] = "function_call"


def _messages(messages: list[Any]) -> Iterator[Any]:
    """Calls had no ids: each result is of the call before it."""
    called = ""
    for place, message in enumerate(messages):
        if not isinstance(message, dict):
            yield message
        elif message.get("role") == "function":
            yield message | {"role": "tool", "tool_call_id": called}
        elif call := message.get("function_call"):
            called = f"call_{place}"
            rest = {name: value for name, value in message.items() if name != "function_call"}
            yield rest | {"tool_calls": [{"id": called, "type": "function", "function": call}]}
        else:
            yield message


def _choice(choice: Any) -> Any:
    if choice in (None, "auto", "none"):
        return choice
    if isinstance(choice, dict) and isinstance(choice.get("name"), str):
        return {"type": "function", "function": {"name": choice["name"]}}
    raise InvalidParameters(
        "function_call is wrong", "it is neither a word nor a function", 'give "auto", "none", or {"name": …}',
        field="function_call",
    )  # fmt: skip
