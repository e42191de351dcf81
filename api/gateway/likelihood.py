"""How many others each token of an answer is compared with: OpenAI's responses and Ollama ask for it alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.gateway.reading import want
from shared.errors import InvalidParameters

_MOST = 20


def others_of(asked: Mapping[str, Any]) -> int:
    """`top_logprobs` of a request, 0 without it. Raises InvalidParameters."""
    others = want(asked, "top_logprobs", int) or 0
    if not 0 <= others <= _MOST:
        raise InvalidParameters("top_logprobs is wrong", f"it is {others}", f"give 0 to {_MOST}", field="top_logprobs")
    return others
