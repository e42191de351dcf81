"""Ollama's way to write down a model with its defaults, and the way back.

Options are called there as Ollama calls them, in the catalog as engines do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from api.gateway.model_names import Found
from api.gateway.ollama.request import LEAST_CONTEXT, OPTIONS
from shared.errors import InvalidParameters

_NAMES = {ours: theirs for theirs, ours in OPTIONS.items()} | {"max_tokens": "num_predict", "context": "num_ctx"}


def modelfile(found: Found) -> str:
    """The whole of it, as `ollama show --modelfile` prints it."""
    system = found.defaults.get("system")
    lines = [f"FROM {found.model.name}"]
    lines += [f"PARAMETER {name} {value}" for name, value in _lines(found.defaults)]
    lines += [f'SYSTEM """{system}"""'] if system else []
    return "\n".join(lines) + "\n"


def parameters(defaults: Mapping[str, Any]) -> str:
    """One line for each: its name and its value."""
    return "\n".join(f"{name:<30} {value}" for name, value in _lines(defaults))


def defaults_of(options: Mapping[str, Any], system: str | None) -> dict[str, Any]:
    """Defaults of an alias from Ollama's options; those that engines do not know are left out.

    Raises InvalidParameters.
    """
    defaults = {ours: options[theirs] for theirs, ours in OPTIONS.items() if options.get(theirs) is not None}
    limit, context = options.get("num_predict"), options.get("num_ctx")
    if isinstance(limit, int) and limit >= 0:
        defaults["max_tokens"] = limit
    if context is not None:
        if not isinstance(context, int) or context < LEAST_CONTEXT:
            raise InvalidParameters("num_ctx is wrong", f"it is {context!r}", "give 16 or more", field="parameters")
        defaults["context"] = context
    return defaults | ({"system": system} if system else {})


def _lines(defaults: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in defaults.items():
        for one in value if isinstance(value, list) else [value]:
            if name != "system":
                yield _NAMES.get(name, name), json.dumps(one, ensure_ascii=False)
