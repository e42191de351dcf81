"""Ollama's way to write down a model with its defaults, and the way back.

Options are called there as Ollama calls them, in the catalog as engines do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from api.gateway.defaults import MESSAGES, OPENING
from api.gateway.model_names import Found
from api.gateway.ollama.options import LEAST_CONTEXT, OPTIONS, context_of, engine_options
from shared.errors import InvalidParameters

_NAMES = {ours: theirs for theirs, ours in OPTIONS.items()} | {"max_tokens": "num_predict", "context": "num_ctx"}


def modelfile(found: Found) -> str:
    """The whole of it, as `ollama show --modelfile` prints it."""
    system = found.defaults.get("system")
    lines = [f"FROM {found.model.name}"]
    lines += [f"PARAMETER {name} {value}" for name, value in _lines(found.defaults)]
    lines += [f'SYSTEM """{system}"""'] if system else []
    lines += [f'MESSAGE {said["role"]} """{said["content"]}"""' for said in talk(found.defaults)]
    return "\n".join(lines) + "\n"


def parameters(defaults: Mapping[str, Any]) -> str:
    """One line for each: its name and its value."""
    return "\n".join(f"{name:<30} {value}" for name, value in _lines(defaults))


def talk(defaults: Mapping[str, Any]) -> list[dict[str, str]]:
    """What chats go on from, as Ollama tells it: who said which text."""
    said = defaults.get(MESSAGES, ())
    return [{"role": message["role"], "content": _text(message.get("content"))} for message in said]


def defaults_of(options: Mapping[str, Any], system: str | None) -> dict[str, Any]:
    """Defaults of an alias from Ollama's options; those that engines do not know are left out.

    Raises InvalidParameters.
    """
    defaults, context = engine_options(options), context_of(options)
    if options.get("num_ctx") is not None and context is None:
        why = f"it is {options['num_ctx']}"
        raise InvalidParameters("num_ctx is wrong", why, f"give {LEAST_CONTEXT} or more", field="parameters")
    defaults |= {"context": context} if context is not None else {}
    return defaults | ({"system": system} if system else {})


def _lines(defaults: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in defaults.items():
        for one in value if isinstance(value, list) else [value]:
            if name not in OPENING:
                yield _NAMES.get(name, name), json.dumps(one, ensure_ascii=False)


def _text(content: object) -> str:
    """Of a message's content, which has parts when it shows images."""
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content)
    return str(content or "")
