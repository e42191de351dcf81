"""Probabilities of an answer as OpenAI's text completions tell them; engines tell them as chats do.

Source: OpenAI's API reference, "Completions (legacy)", `logprobs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def written(said: Mapping[str, Any], begin: int = 0, *, alone: bool = False) -> dict[str, Any]:
    """Lists with one entry for each token; `begin` is how many characters of the answer came before them.

    `alone`: of no other token is told how likely it was.
    """
    tokens = [one for one in said.get("content") or () if isinstance(one, dict)]
    texts = [str(one.get("token", "")) for one in tokens]
    offsets = [begin + sum(map(len, texts[:place])) for place in range(len(texts))]
    tops = [{str(top.get("token", "")): top.get("logprob") for top in one.get("top_logprobs") or ()} for one in tokens]
    return {
        "tokens": texts,
        "token_logprobs": [one.get("logprob") for one in tokens],
        "top_logprobs": None if alone else tops,
        "text_offset": offsets,
    }
