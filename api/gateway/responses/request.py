"""A request for a response, as the chat completion that engines understand.

Source: OpenAI's API reference, "Create a model response", and the Open Responses specification.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from api.gateway.reading import want
from api.gateway.responses import likely
from api.gateway.responses.repeated import reasoning_of, text_of
from api.gateway.responses.tools import choice_of, tools_of
from api.gateway.thinking import told_to_think
from api.gateway.thoughts_apart import FIELD
from shared.errors import InvalidParameters

_SAME = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
_ROLES = ("user", "assistant", "system", "developer")
#: What would need a memory of what was sent before, and how to do without.
_KEPT = {
    "previous_response_id": "send the whole conversation as input",
    "conversation": "send the whole conversation as input",
    "prompt": "send its text as instructions and input",
    "background": "leave it out and wait for the answer, or submit a job: POST /v1/jobs",
}


def chat_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's request, without its model. Raises InvalidParameters."""
    for name, instead in _KEPT.items():
        if asked.get(name):
            why = "neither responses nor prompts are kept here"
            raise InvalidParameters(f"{name} cannot be used", why, instead, field=name)
    body: dict[str, Any] = {"messages": list(_messages(asked))}
    body |= {name: asked[name] for name in _SAME if want(asked, name, float) is not None}
    if (limit := want(asked, "max_output_tokens", int)) is not None:
        if limit < 1:
            raise InvalidParameters(
                "max_output_tokens is too small", f"it is {limit}", "give at least 1", field="max_output_tokens"
            )
        body["max_tokens"] = limit
    return body | tools_of(asked) | choice_of(asked) | _format(asked) | _thinking(asked) | likely.wish(asked)


def _messages(asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if instructions := want(asked, "instructions", str):
        yield {"role": "system", "content": instructions}
    given = asked.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) and given else given
    if not isinstance(items, list) or not items:
        why = "it is missing or empty" if not given else "it is neither a text nor a list"
        raise InvalidParameters("input is wrong", why, "give a text, or a list of items", field="input")
    yield from _turns(items)


def _turns(items: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """What a model thought, said and called, in this order, is one message; each part of it was an item."""
    turn: dict[str, Any] = {}
    for position, item in enumerate(items):
        match item.get("type") if isinstance(item, dict) else None:
            case "function_call":
                turn.setdefault("tool_calls", []).append(_call(item))
            case "reasoning":
                yield from _ended(turn)
                turn = _thought(item)
            case _:
                said = _message(item, f"input.{position}")
                yield from _ended(turn)
                if said["role"] != "assistant":
                    turn = {}
                    yield said
                elif _speaks(turn):
                    turn = said
                else:
                    turn = turn | said
    yield from _ended(turn)


def _ended(turn: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if _speaks(turn):
        yield {"role": "assistant", "content": None, **turn}


def _speaks(turn: Mapping[str, Any]) -> bool:
    """A thought alone is no message."""
    return "content" in turn or "tool_calls" in turn


def _message(item: object, place: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise InvalidParameters(f"{place} is wrong", "it is no object", "give an item with a type", field=place)
    match item.get("type") or "message":
        case "message":
            if item.get("role") not in _ROLES:
                raise InvalidParameters(f"{place} is wrong", "it has no role", "give role and content", field=place)
            role = "system" if item["role"] == "developer" else item["role"]
            return {"role": role, "content": _content(item.get("content"), place)}
        case "function_call_output":
            said = _content(item.get("output"), place)
            return {"role": "tool", "tool_call_id": item.get("call_id") or "", "content": said}
        case other:
            raise InvalidParameters(
                f"{place} cannot be used",
                f"nothing here knows what a {other} is",
                "send messages, function calls and their outputs",
                field=place,
            )


def _thought(item: Mapping[str, Any]) -> dict[str, str]:
    """What the model thought before the message or the calls that follow."""
    parts = item.get("content") or item.get("summary")
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    said = "\n".join(text for text in texts if isinstance(text, str) and text)
    return {FIELD: said} if said else {}


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": item.get("name") or "", "arguments": item.get("arguments") or "{}"}
    return {"id": item.get("call_id") or "", "type": "function", "function": function}


def _content(content: object, place: str) -> str | list[dict[str, Any]]:
    """One text where all parts are texts: some templates take nothing else."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise InvalidParameters(
            f"{place}.content is wrong", "it is neither a text nor a list", "give a text or parts", field=place
        )
    parts = [_part(part, place) for part in content]
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _part(part: Mapping[str, Any], place: str) -> dict[str, Any]:
    match part.get("type"):
        case "input_text" | "output_text" | "text" | "summary_text":
            return {"type": "text", "text": want(part, "text", str) or ""}
        case "refusal":
            return {"type": "text", "text": want(part, "refusal", str) or ""}
        case "input_image" if str(part.get("image_url") or "").startswith("data:"):
            return {"type": "image_url", "image_url": {"url": part["image_url"]}}
        case "input_image":
            # An engine would fetch whatever an address names.
            why, fix = "it is not the image itself", "send the image as a data: URL in image_url"
        case other:
            why, fix = f"its type is {other or 'missing'}", "send input_text or input_image"
    raise InvalidParameters(f"{place} has a part that cannot be used", why, fix, field=place)


def _format(asked: Mapping[str, Any]) -> dict[str, Any]:
    """An answer in JSON, or in a JSON schema."""
    wanted = text_of(asked)["format"]
    match wanted.pop("type"):
        case "json_schema":
            return {"response_format": {"type": "json_schema", "json_schema": wanted}}
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case _:
            return {}


def _thinking(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Models whose template can think or not are told which, and how hard."""
    effort = reasoning_of(asked)["effort"]
    return told_to_think(effort) if effort is not None else {}
