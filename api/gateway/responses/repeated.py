"""What a response repeats of its request: each field is read with its type, for strict clients check what they get.

Source: OpenAI's API reference, "The response object", and the types of its clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.gateway.likelihood import others_of
from api.gateway.reading import want
from api.gateway.responses.tools import functions, repeated_choice
from shared.errors import InvalidParameters

_TRUNCATIONS = ("disabled", "auto")
_FORMATS = ("text", "json_object", "json_schema")
_VERBOSITIES = ("low", "medium", "high")
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_SUMMARIES = ("auto", "concise", "detailed")
#: Fields of one plain type, and what holds where the request says nothing.
_PLAIN: Mapping[str, tuple[type[Any], Any]] = {
    "instructions": (str, None),
    "max_output_tokens": (int, None),
    "max_tool_calls": (int, None),
    "parallel_tool_calls": (bool, True),
    "temperature": (float, 1.0),
    "top_p": (float, 1.0),
    "presence_penalty": (float, 0.0),
    "frequency_penalty": (float, 0.0),
    "safety_identifier": (str, None),
    "prompt_cache_key": (str, None),
}


def repeated(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the request said, or what holds where it said nothing. Raises InvalidParameters."""
    given = {name: want(asked, name, kind) for name, (kind, _) in _PLAIN.items()}
    return {name: default if given[name] is None else given[name] for name, (_, default) in _PLAIN.items()} | {
        "model": asked["model"],
        "previous_response_id": None,
        "metadata": _metadata(asked),
        "text": text_of(asked),
        "reasoning": reasoning_of(asked),
        "tools": functions(asked),
        "tool_choice": repeated_choice(asked),
        "truncation": _word(asked.get("truncation"), "truncation", _TRUNCATIONS) or _TRUNCATIONS[0],
        "top_logprobs": others_of(asked),
        # Nothing is kept, whatever was asked for.
        "store": False,
        "background": False,
        "service_tier": "default",
    }


def text_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The format of the answer, and how long it shall be. Raises InvalidParameters."""
    text = want(asked, "text", dict) or {}
    wanted = want({"text.format": text.get("format")}, "text.format", dict) or {"type": "text"}
    verbosity = _word(text.get("verbosity"), "text.verbosity", _VERBOSITIES)
    return {"format": _format(wanted)} | ({"verbosity": verbosity} if verbosity else {})


def reasoning_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """How hard the model shall think, and what it shall tell of that. Raises InvalidParameters."""
    reasoning = want(asked, "reasoning", dict) or {}
    return {
        "effort": _word(reasoning.get("effort"), "reasoning.effort", _EFFORTS),
        "summary": _word(reasoning.get("summary"), "reasoning.summary", _SUMMARIES),
    }


def _format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    kind = _word(wanted.get("type") or "", "text.format.type", _FORMATS)
    if kind != "json_schema":
        return {"type": kind}
    told = {f"text.format.{name}": value for name, value in wanted.items()}
    schema = want(told, "text.format.schema", dict)
    if schema is None:
        raise _wrong("text.format.schema", "it is missing", "give a JSON schema")
    more = {
        "description": want(told, "text.format.description", str),
        "strict": want(told, "text.format.strict", bool),
    }
    named = {"type": kind, "name": want(told, "text.format.name", str) or "answer", "schema": schema}
    return named | {name: value for name, value in more.items() if value is not None}


def _metadata(asked: Mapping[str, Any]) -> dict[str, str]:
    given = want(asked, "metadata", dict) or {}
    if not all(isinstance(value, str) for value in given.values()):
        raise _wrong("metadata", "not all that it holds are texts", "give a text to each name")
    return given


def _word(word: object, name: str, words: Sequence[str]) -> str | None:
    """One of a few, or none."""
    if word is None or (isinstance(word, str) and word in words):
        return word
    raise _wrong(name, "it is another word, or none", f"give {', '.join(words)}")


def _wrong(name: str, why: str, fix: str) -> InvalidParameters:
    return InvalidParameters(f"{name} is wrong", why, fix, field=name)
