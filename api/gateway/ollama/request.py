"""Requests of Ollama's clients, as the chat completions that engines understand.

Source: Ollama's `docs/api.md`. Options that are null are as good as missing: some clients send all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from api.gateway.model_names import DEFAULT, asked_for
from api.gateway.reading import want
from api.gateway.thinking import told_to_think
from api.gateway.thoughts_apart import FIELD
from shared.errors import InvalidParameters
from shared.runtimes import RunSpec

#: Ollama's options and what OpenAI, or llama.cpp where OpenAI has none, calls them.
OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "seed": "seed",
    "stop": "stop",
    "repeat_penalty": "repeat_penalty",
    "repeat_last_n": "repeat_last_n",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
#: Of a generation, what would change the answer and no engine here does: better refused than left out in silence.
_IMPOSSIBLE = {
    "suffix": ("engines here write on, and do not fill in", "leave it out, and put all into prompt"),
    "template": ("prompts are written by the model's own template", "leave it out, or send raw with the whole prompt"),
    "context": ("answers here tell no context", "leave it out; send the conversation to POST /api/chat"),
}
#: How images of a type begin in base64.
_IMAGES = {"/9j/": "jpeg", "iVBOR": "png", "R0lG": "gif", "UklGR": "webp", "Qk": "bmp"}
#: Smaller contexts hold no chat.
LEAST_CONTEXT = 16
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)", re.ASCII)
#: Seconds of ten years: nobody means more, and clocks can still count it.
_LONGEST_STAY = 315_360_000.0


def chat_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """`POST /api/chat` as the engine's request, without its model. Raises InvalidParameters."""
    messages = list(_messages(want(asked, "messages", list) or []))
    return {"messages": messages} | _options(asked) | _format(asked) | _think(asked) | _tools(asked)


def generate_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """`POST /api/generate` as a chat with one message. Raises InvalidParameters."""
    _refuse(asked, _IMPOSSIBLE)
    system = want(asked, "system", str)
    first = [{"role": "system", "content": system}] if system else []
    asking = {"role": "user", "content": want(asked, "prompt", str) or "", "images": want(asked, "images", list)}
    messages = list(_messages([*first, asking]))
    return {"messages": messages} | _options(asked) | _format(asked) | _think(asked)


def raw_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """`POST /api/generate` with `raw`: the prompt goes to the model as it is. Raises InvalidParameters."""
    beside = ("raw sends the prompt as it is", "leave it out, or leave out raw")
    _refuse(asked, _IMPOSSIBLE | {"system": beside, "template": beside, "images": beside})
    return {"prompt": want(asked, "prompt", str) or ""} | _options(asked) | _format(asked)


def model_of(asked: Mapping[str, Any]) -> str:
    """What the client calls the model; older ones write `name`. Raises InvalidParameters."""
    named = asked_for(asked)
    return named if named != DEFAULT else want(asked, "name", str) or DEFAULT


def spec_of(asked: Mapping[str, Any]) -> RunSpec:
    """How to load the model, should it have to be loaded. Raises InvalidParameters."""
    context = (want(asked, "options", dict) or {}).get("num_ctx")
    return RunSpec(context=context if isinstance(context, int) and context >= LEAST_CONTEXT else None)


def seconds_of(keep_alive: object) -> float | None:
    """`keep_alive`: seconds as a number, or a duration such as `5m` or `1h30m`; negative is for ever.

    Raises InvalidParameters.
    """
    if keep_alive is None:
        return None
    if isinstance(keep_alive, int | float) and not isinstance(keep_alive, bool) and keep_alive == keep_alive:
        return -1.0 if keep_alive < 0 else float(min(keep_alive, _LONGEST_STAY))
    text = str(keep_alive).strip()
    parts = _DURATION.findall(text.lstrip("-"))
    if text.lstrip("-").isdecimal() and text.isascii():
        parts = [(text.lstrip("-"), "s")]
    elif not parts or "".join(number + unit for number, unit in parts) != text.lstrip("-"):
        raise InvalidParameters(
            "keep_alive is wrong", f"{text!r} is no duration", 'give seconds or a text such as "5m"', field="keep_alive"
        )
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return -1.0 if text.startswith("-") else min(seconds, _LONGEST_STAY)


def _refuse(asked: Mapping[str, Any], impossible: Mapping[str, tuple[str, str]]) -> None:
    """Clients send all fields, most of them empty: only a filled one is refused. Raises InvalidParameters."""
    for name, (why, fix) in impossible.items():
        if asked.get(name):
            raise InvalidParameters(f"{name} is not possible here", why, fix, field=name)


def _messages(messages: list[Any]) -> Iterator[dict[str, Any]]:
    """Calls have no ids in Ollama; their results follow in order, so they are numbered here."""
    waiting: list[str] = []
    for position, message in enumerate(messages):
        place = f"messages.{position}"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidParameters(f"{place} is wrong", "it has no role", "give role and content", field=place)
        said: dict[str, Any] = {"role": message["role"], "content": _content(message)}
        if thought := want(message, "thinking", str):
            said[FIELD] = thought
        if calls := want(message, "tool_calls", list):
            said["tool_calls"] = [_call(call, f"call_{position}_{index}") for index, call in enumerate(calls)]
            waiting = [call["id"] for call in said["tool_calls"]]
        if message["role"] == "tool":
            said["tool_call_id"] = message.get("tool_call_id") or (waiting.pop(0) if waiting else "call")
        yield said


def _content(message: Mapping[str, Any]) -> str | list[dict[str, Any]]:
    text = message.get("content") or ""
    images = want(message, "images", list)
    if not images:
        return str(text)
    shown = [{"type": "image_url", "image_url": {"url": _image(image)}} for image in images]
    return [{"type": "text", "text": text}, *shown]


def _image(data: object) -> str:
    """Base64 without a type, which its first letters tell."""
    text = str(data)
    if text.startswith("data:"):
        return text
    kind = next((kind for letters, kind in _IMAGES.items() if text.startswith(letters)), "png")
    return f"data:image/{kind};base64,{text}"


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


def _tools(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Ollama itself knows no `tool_choice`; it is OpenAI's here too."""
    tools = want(asked, "tools", list)
    if not tools:
        return {}
    return {"tools": tools} | ({"tool_choice": asked["tool_choice"]} if asked.get("tool_choice") else {})


def _options(asked: Mapping[str, Any]) -> dict[str, Any]:
    options = want(asked, "options", dict) or {}
    chosen = {ours: options[theirs] for theirs, ours in OPTIONS.items() if options.get(theirs) is not None}
    limit = options.get("num_predict")
    # Negative means without a limit, which is what leaving it out means.
    if isinstance(limit, int) and limit >= 0:
        chosen["max_tokens"] = limit
    return chosen


def _format(asked: Mapping[str, Any]) -> dict[str, Any]:
    wanted = asked.get("format")
    if wanted == "json":
        return {"response_format": {"type": "json_object"}}
    if isinstance(wanted, dict) and wanted:
        schema = {"name": "answer", "schema": wanted, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    return {}


def _think(asked: Mapping[str, Any]) -> dict[str, Any]:
    """`true`, `false`, or how hard."""
    think = asked.get("think")
    if think is None:
        return {}
    return told_to_think(think if isinstance(think, str) and think else bool(think))
