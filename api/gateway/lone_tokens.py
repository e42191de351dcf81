"""Tokens whose likelihood is asked for alone: llama.cpp tells it only of tokens that it compares with others.

Asked for none it tells nothing, asked for nothing it compares with 20. So it is asked for one, which is left out here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_OTHERS = "top_logprobs"


def are_asked(body: Mapping[str, Any]) -> bool:
    """Of an engine's chat."""
    return body.get("logprobs") is True and not body.get(_OTHERS)


def asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The chat as engines tell it."""
    return {**body, _OTHERS: 1}


class LoneTokens:
    """Mends one answer."""

    def whole(self, said: dict[str, Any]) -> dict[str, Any]:
        for choice in said.get("choices") or ():
            for token in (choice.get("logprobs") or {}).get("content") or ():
                token[_OTHERS] = []
        return said

    def chunk(self, event: bytes) -> Sequence[bytes]:
        if _OTHERS.encode() not in event:
            return (event,)
        return (json.dumps(self.whole(json.loads(event)), ensure_ascii=False).encode(errors="replace"),)

    def rest(self) -> Sequence[bytes]:
        return ()
