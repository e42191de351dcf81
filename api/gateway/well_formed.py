"""What a chat has to be before an engine sees it: engines answer 500 to some mistakes and pass over others in silence.

Source: OpenAI's API reference, "Create chat completion", and what llama.cpp's server does with what is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from api.gateway.reading import want
from api.gateway.schemas import check_bounds, fitting
from api.gateway.thoughts_apart import FIELD
from shared.call_arguments import readable
from shared.errors import InvalidParameters
from shared.pictures import with_url

_FORMATS = ("text", "json_object", "json_schema")
#: Parts of a message that engines know; those with an address are checked elsewhere.
_PARTS = ("text", "image_url", "input_audio", "audio_url", "video_url")
_LIMITS = ("max_tokens", "max_completion_tokens")
#: Fields of a message that are texts, beside its content; mlx-lm calls its thoughts `reasoning`.
_TEXTS = ("name", "tool_call_id", FIELD, "reasoning")
#: Fields of one plain type: told before a model is loaded for the request, and by their names.
_SAMPLING: Mapping[type[bool | int | float], Sequence[str]] = {
    int: ("n", "seed"),
    float: ("temperature", "top_p", "presence_penalty", "frequency_penalty"),
}
_CHAT: Mapping[type[bool | int | float], Sequence[str]] = {
    bool: ("logprobs", "parallel_tool_calls"),
    int: ("top_logprobs",),
}


def well_formed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The request with what engines take otherwise than it is meant put right. Raises InvalidParameters."""
    _check_format(body.get("response_format"))
    check_sampling(body)
    _check_plain(body, _CHAT)
    if "audio" in (want(body, "modalities", list) or ()):
        raise _wrong("modalities", "no engine here speaks", 'leave it out, or give ["text"]')
    if body.get("web_search_options") is not None:
        raise _wrong("web_search_options", "nobody searches the web here", "leave it out, or give a tool that searches")
    made = {**body, "messages": [_message(one, place) for place, one in enumerate(body.get("messages") or [])]}
    made.pop("tools", None)
    if tools := list(_tools(body)):
        made["tools"] = tools
    return limited(fitting(stopped(made)))


def stopped(body: Mapping[str, Any]) -> dict[str, Any]:
    """With the texts that end an answer as a list. Raises InvalidParameters for what is none."""
    stops = _stops(body)
    return {name: value for name, value in body.items() if name != "stop"} | ({"stop": stops} if stops else {})


def limited(body: Mapping[str, Any]) -> dict[str, Any]:
    """Without limits that are none. Raises InvalidParameters for 0, after which engines write a token all the same."""
    return {name: value for name, value in body.items() if name not in _LIMITS or not _endless(body, name)}


def check_sampling(body: Mapping[str, Any]) -> None:
    """What chats and texts have in common. Raises InvalidParameters."""
    _check_plain(body, _SAMPLING)
    _check_bias(body.get("logit_bias"))
    check_bounds(body)


def _check_plain(body: Mapping[str, Any], fields: Mapping[type[bool | int | float], Sequence[str]]) -> None:
    for kind, names in fields.items():
        for name in names:
            want(body, name, kind)


def _endless(body: Mapping[str, Any], name: str) -> bool:
    """Some clients write a negative limit for none, which engines understand in as many ways."""
    limit = want(body, name, int)
    if limit == 0:
        raise InvalidParameters(f"{name} is too small", "it is 0", "give at least 1, or leave it out", field=name)
    return limit is not None and limit < 0


def _message(message: Any, place: int) -> dict[str, Any]:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise _wrong(f"messages.{place}", "it has no role", "give role and content")
    made, content = _worded(message, _TEXTS, f"messages.{place}"), message.get("content")
    if calls := want(message, "tool_calls", list):
        made["tool_calls"] = [_call(call, f"messages.{place}.tool_calls.{at}") for at, call in enumerate(calls)]
    if isinstance(content, list):
        made["content"] = [_part(part, f"messages.{place}.content.{at}") for at, part in enumerate(content)]
    return made


def _call(call: Any, place: str) -> dict[str, Any]:
    """With arguments that engines can read: one that llama.cpp cannot would end the talk for good."""
    if not _name(call):
        raise _wrong(place, "it names no function", "give function.name")
    given = call["function"].get("arguments") or ""
    if not isinstance(given, str | dict):
        raise _wrong(f"{place}.function.arguments", "it is neither a text nor an object", "give an object in JSON")
    written = readable(given) if isinstance(given, str) else given
    function = call["function"] | {"arguments": written}
    return _worded(call, ("id",), place) | {"type": "function", "function": function}


def _part(part: Any, place: str) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "refusal":
        part = {"type": "text", "text": part.get("refusal") or ""}
    elif kind not in _PARTS:
        raise _wrong(place, f"nothing here reads a part of type {kind or 'none'}", "send its text, or an image_url")
    if part["type"] == "text" and not isinstance(part.get("text"), str):
        raise _wrong(f"{place}.text", "it is no text", "give what the part says")
    part = with_url(part)
    if part["type"] == "image_url" and not _has_url(part.get("image_url")):
        raise _wrong(f"{place}.image_url", "it has no url", "give image_url.url: a data: URL")
    return dict(part)


def _has_url(picture: Any) -> bool:
    return isinstance(picture, dict) and isinstance(picture.get("url"), str)


def _tools(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for place, tool in enumerate(want(body, "tools", list) or ()):
        kind = (tool.get("type") or "function") if isinstance(tool, dict) else None
        if kind != "function":
            raise _wrong(f"tools.{place}", f"its type is {kind or 'missing'}", "give tools of the type function")
        if not _name(tool):
            raise _wrong(f"tools.{place}.function.name", "it is missing", "give it: calls name their function")
        function = _worded(tool["function"], ("description",), f"tools.{place}.function")
        yield tool | {"type": "function", "function": function}


def _worded(fields: Mapping[str, Any], names: Sequence[str], place: str) -> dict[str, Any]:
    """Without those of the names that are null, which engines take for a wrong type."""
    for name in names:
        if not isinstance(fields.get(name), str | None):
            raise _wrong(f"{place}.{name}", "it is no text", "give a text, or leave it out")
    return {name: value for name, value in fields.items() if value is not None or name not in names}


def _name(named: Any) -> str:
    """Of the function of a tool, or of a call."""
    function = named.get("function") if isinstance(named, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else ""


def _stops(body: Mapping[str, Any]) -> list[str]:
    """An empty one would end every answer before it begins."""
    given = body.get("stop")
    stops = given if isinstance(given, list) else [] if given is None else [given]
    if not all(isinstance(stop, str) for stop in stops):
        raise _wrong("stop", "it is neither a text nor a list of texts", "give where answers shall end")
    return [stop for stop in stops if stop]


def _check_bias(given: Any) -> None:
    """An object, or pairs in a list, which llama.cpp takes as well: by texts, too, and false for never.

    It passes over what is none of these in silence.
    """
    pairs = given.items() if isinstance(given, dict) else [] if given is None else given
    if not isinstance(pairs, Iterable) or isinstance(pairs, str) or not all(map(_is_bias, pairs)):
        raise _wrong("logit_bias", "it is no object of token ids", "give a number for each, from -100 to 100")


def _is_bias(pair: Any) -> bool:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    token, bias = pair
    number = isinstance(bias, int | float) and bias is not True
    return number and isinstance(token, str | int) and not isinstance(token, bool)


def _check_format(wanted: Any) -> None:
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in _FORMATS:
        raise _wrong("response_format", f"its type is {kind or 'missing'}", f"give one of {', '.join(_FORMATS)}")
    place, shape = "response_format", wanted
    if kind == "json_schema":
        place, shape = "response_format.json_schema", wanted.get("json_schema")
    if not isinstance(shape, dict):
        raise _wrong(place, "it is missing", "give it, with name and schema")
    if not isinstance(shape.get("schema"), dict | None):
        raise _wrong(f"{place}.schema", "it is no object", "give a JSON schema")


def _wrong(place: str, why: str, fix: str) -> InvalidParameters:
    return InvalidParameters(f"{place} is wrong", why, fix, field=place)
