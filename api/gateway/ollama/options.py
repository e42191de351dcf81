"""Ollama's `options` of a request, as engines call them.

Source: Ollama's `docs/api.md` and `docs/modelfile.md`. Options that are null are as good as missing: some clients send
all of them. Those that no engine here has are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from api.gateway.reading import want
from shared.errors import InvalidParameters
from shared.runtimes import MOST_CONTEXT

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
_WHOLE = ("top_k", "seed", "repeat_last_n", "num_predict", "num_ctx")
#: Smaller contexts hold no chat.
LEAST_CONTEXT = 16


def options_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a request. Raises InvalidParameters."""
    return want(asked, "options", dict) or {}


def engine_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """As fields of an engine's request. Raises InvalidParameters."""
    read = {ours: _read(theirs, options) for theirs, ours in OPTIONS.items()}
    chosen = {name: value for name, value in read.items() if value is not None}
    limit = _read("num_predict", options)
    # Nothing and less (-1 for ever, -2 to fill the context) is no limit, which is what leaving it out means.
    return chosen | ({"max_tokens": limit} if limit is not None and limit > 0 else {})


def context_of(options: Mapping[str, Any]) -> int | None:
    """The context to load the model with; `None`: what it is loaded with otherwise. Raises InvalidParameters."""
    context: int | None = _read("num_ctx", options)
    return min(context, MOST_CONTEXT) if context is not None and context >= LEAST_CONTEXT else None


def _read(name: str, options: Mapping[str, Any]) -> Any:
    value = options.get(name)
    if value is None:
        return None
    if name == "stop":
        return _stops(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(name, "a whole number" if name in _WHOLE else "a number")
    # Clients whose language knows one kind of numbers write 5.0.
    return int(value) if name in _WHOLE else value


def _stops(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(stop, str) for stop in value)):
        return value
    raise _wrong("stop", "a list of texts")


def _wrong(name: str, kind: str) -> InvalidParameters:
    return InvalidParameters(
        f"option {name} is wrong", "it is of another type", f"give {kind}", field=f"options.{name}"
    )
