"""How likely each token was, as Ollama's clients ask for it (`logprobs`, `top_logprobs`) and read it.

Source: Ollama's `docs/api.md` since 0.12.11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.gateway.likelihood import others_of
from api.gateway.reading import want

_FIELDS = ("token", "logprob", "bytes")


def wish(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a chat's request. Raises InvalidParameters."""
    others = others_of(asked)
    if not want(asked, "logprobs", bool):
        return {}
    return {"logprobs": True, "top_logprobs": others}


def raw_wish(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a completion's request, where it is one number. Raises InvalidParameters."""
    others = others_of(asked)
    return {"logprobs": max(others, 1)} if want(asked, "logprobs", bool) else {}


def likely(said: Mapping[str, Any]) -> dict[str, Any]:
    """Of an engine's chunk or whole answer; nothing when it tells nothing."""
    for choice in (said.get("choices") or ())[:1]:
        tokens = (choice.get("logprobs") or {}).get("content")
        if tokens:
            return {"logprobs": [_token(token) for token in tokens]}
    return {}


def _token(token: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: token[name] for name in _FIELDS if name in token}
    others = [{name: other[name] for name in _FIELDS if name in other} for other in token.get("top_logprobs") or ()]
    return known | ({"top_logprobs": others} if others else {})
