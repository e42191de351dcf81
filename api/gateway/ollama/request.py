"""Requests of Ollama's clients, as the chat completions that engines understand.

Source: Ollama's `docs/api.md`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from api.gateway.model_names import DEFAULT, asked_for
from api.gateway.ollama.options import context_of, engine_options, options_of
from api.gateway.ollama.probabilities import raw_wish, wish
from api.gateway.ollama.tools import tools_of
from api.gateway.reading import want
from api.gateway.thinking import told_to_think
from api.gateway.thoughts_apart import FIELD
from shared.errors import InvalidParameters
from shared.runtimes import LONGEST_STAY, RunSpec

#: How hard to think; `think` is otherwise true or false.
_EFFORTS = ("low", "medium", "high", "max")
#: Of a generation, what would change the answer and no engine here does: better refused than left out in silence.
_IMPOSSIBLE = {
    "suffix": ("engines here write on, and do not fill in", "leave it out, and put all into prompt"),
    "template": ("prompts are written by the model's own template", "leave it out, or send raw with the whole prompt"),
    "context": ("answers here tell no context", "leave it out; send the conversation to POST /api/chat"),
}
#: How images of a type begin in base64.
_IMAGES = {"/9j/": "jpeg", "iVBOR": "png", "R0lG": "gif", "UklGR": "webp", "Qk": "bmp"}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)", re.ASCII)


def chat_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """`POST /api/chat` as the engine's request, without its model. Raises InvalidParameters."""
    messages = list(messages_of(want(asked, "messages", list) or []))
    return {"messages": messages} | _chosen(asked) | _think(asked) | wish(asked) | tools_of(asked)


def generate_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """`POST /api/generate` as a chat with one message. Raises InvalidParameters."""
    _refuse(asked, _IMPOSSIBLE)
    system = want(asked, "system", str)
    first = [{"role": "system", "content": system}] if system else []
    asking = {"role": "user", "content": want(asked, "prompt", str) or "", "images": want(asked, "images", list)}
    messages = list(messages_of([*first, asking]))
    return {"messages": messages} | _chosen(asked) | _think(asked) | wish(asked)


def raw_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """`POST /api/generate` with `raw`: the prompt goes to the model as it is. Raises InvalidParameters."""
    beside = ("raw sends the prompt as it is", "leave it out, or leave out raw")
    _refuse(asked, _IMPOSSIBLE | {"system": beside, "template": beside, "images": beside})
    return {"prompt": want(asked, "prompt", str) or ""} | _chosen(asked) | raw_wish(asked)


def model_of(asked: Mapping[str, Any]) -> str:
    """What the client calls the model; older ones write `name`. Raises InvalidParameters."""
    named = asked_for(asked)
    return named if named != DEFAULT else want(asked, "name", str) or DEFAULT


def spec_of(asked: Mapping[str, Any]) -> RunSpec:
    """How to load the model, should it have to be loaded. Raises InvalidParameters."""
    return RunSpec(context=context_of(options_of(asked)))


def seconds_of(keep_alive: object) -> float | None:
    """`keep_alive`: seconds as a number, or a duration such as `5m` or `1h30m`; negative is for ever.

    Raises InvalidParameters.
    """
    if keep_alive is None:
        return None
    if isinstance(keep_alive, int | float) and not isinstance(keep_alive, bool) and keep_alive == keep_alive:
        return -1.0 if keep_alive < 0 else float(min(keep_alive, LONGEST_STAY))
    text = str(keep_alive).strip()
    parts = _DURATION.findall(text.lstrip("-"))
    if text.lstrip("-").isdecimal() and text.isascii():
        parts = [(text.lstrip("-"), "s")]
    elif not parts or "".join(number + unit for number, unit in parts) != text.lstrip("-"):
        raise InvalidParameters(
            "keep_alive is wrong", f"{text!r} is no duration", 'give seconds or a text such as "5m"', field="keep_alive"
        )
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return -1.0 if text.startswith("-") else min(seconds, LONGEST_STAY)


def _refuse(asked: Mapping[str, Any], impossible: Mapping[str, tuple[str, str]]) -> None:
    """Clients send all fields, most of them empty: only a filled one is refused. Raises InvalidParameters."""
    for name, (why, fix) in impossible.items():
        if asked.get(name):
            raise InvalidParameters(f"{name} is not possible here", why, fix, field=name)


def messages_of(messages: list[Any]) -> Iterator[dict[str, Any]]:
    """Ollama's messages as engines read them. Raises InvalidParameters.

    Calls have no ids in Ollama; their results follow in order, so they are numbered here.
    """
    waiting: list[dict[str, Any]] = []
    for position, message in enumerate(messages):
        place = f"messages.{position}"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidParameters(f"{place} is wrong", "it has no role", "give role and content", field=place)
        said: dict[str, Any] = {"role": message["role"], "content": _content(message)}
        if thought := want(message, "thinking", str):
            said[FIELD] = thought
        if calls := want(message, "tool_calls", list):
            said["tool_calls"] = [_call(call, f"call_{position}_{index}") for index, call in enumerate(calls)]
            waiting = list(said["tool_calls"])
        if message["role"] == "tool":
            said["tool_call_id"] = message.get("tool_call_id") or _answered(waiting, message)
        yield said


def _answered(waiting: list[dict[str, Any]], message: Mapping[str, Any]) -> str:
    """The id of the call that a result is of; it waits no longer."""
    named = message.get("tool_name") or message.get("name")
    if not waiting:
        return "call"
    call = next((one for one in waiting if one["function"]["name"] == named), waiting[0])
    waiting.remove(call)
    return str(call["id"])


def _content(message: Mapping[str, Any]) -> str | list[dict[str, Any]]:
    text = want(message, "content", str) or ""
    images = want(message, "images", list)
    if not images:
        return text
    shown = [{"type": "image_url", "image_url": {"url": _image(image)}} for image in images]
    return [{"type": "text", "text": text}, *shown]


def _image(data: object) -> str:
    """Base64 without a type, which its first letters tell."""
    if not isinstance(data, str):
        raise InvalidParameters("images is wrong", "one of them is no text", "give each in base64", field="images")
    if data.startswith("data:"):
        return data
    kind = next((kind for letters, kind in _IMAGES.items() if data.startswith(letters)), "png")
    return f"data:image/{kind};base64,{data}"


def _call(call: object, name: str) -> dict[str, Any]:
    function = want(call, "function", dict) if isinstance(call, dict) else None
    if not isinstance(call, dict) or function is None:
        raise InvalidParameters("tool_calls is wrong", "a call names no function", "give function", field="tool_calls")
    given = function.get("arguments")
    written = given if isinstance(given, str) else json.dumps(given or {})
    return {
        "id": call.get("id") or name,
        "type": "function",
        "function": {"name": function.get("name") or "", "arguments": written},
    }


def _chosen(asked: Mapping[str, Any]) -> dict[str, Any]:
    """How the answer is made, and in which shape."""
    return engine_options(options_of(asked)) | _format(asked)


def _format(asked: Mapping[str, Any]) -> dict[str, Any]:
    wanted = asked.get("format")
    if wanted == "json":
        return {"response_format": {"type": "json_object"}}
    if isinstance(wanted, dict) and wanted:
        schema = {"name": "answer", "schema": wanted, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    if wanted not in (None, "", {}):
        raise InvalidParameters(
            "format is wrong", "it is neither json nor a schema", 'give "json", or a JSON schema', field="format"
        )
    return {}


def _think(asked: Mapping[str, Any]) -> dict[str, Any]:
    """`true`, `false`, or how hard."""
    think = asked.get("think")
    if think in (None, ""):
        return {}
    if not isinstance(think, bool) and think not in _EFFORTS:
        raise InvalidParameters(
            "think is wrong", "it is none of its words", f"give true, false, {', '.join(_EFFORTS)}", field="think"
        )
    return told_to_think(think)
