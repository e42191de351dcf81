"""Which run has read the beginning of a prompt before, and still has it in its cache."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

_MOST = 4096
#: Characters of a prompt that tell it from others.
_TELLING = 2048


class Affinity:
    """The run that each conversation went to last; the longest unused is forgotten first."""

    def __init__(self) -> None:
        self._runs: OrderedDict[bytes, str] = OrderedDict()

    def warm(self, session: bytes | None) -> str | None:
        """The run to prefer."""
        return self._runs.get(session) if session is not None else None

    def went(self, session: bytes | None, run_id: str) -> None:
        """This conversation goes to that run now."""
        if session is None or next(reversed(self._runs.items()), None) == (session, run_id):
            return
        self._runs[session] = run_id
        self._runs.move_to_end(session)
        if len(self._runs) > _MOST:
            self._runs.popitem(last=False)


def session_of(model: str, body: Mapping[str, Any]) -> bytes | None:
    """The same for all turns of a conversation: what it begins with, up to the first thing the user says.

    `None` for requests without a prompt, such as embeddings.
    """
    messages, prompt = body.get("messages"), body.get("prompt")
    if isinstance(messages, list):
        beginning: Any = messages[: _first_question(messages) + 1]
    elif isinstance(prompt, str):
        beginning = prompt[:_TELLING]
    else:
        return None
    told = json.dumps(beginning, default=str)[: 2 * _TELLING]
    return blake2b(f"{model}\n{told}".encode(errors="replace"), digest_size=16).digest()


def _first_question(messages: list[Any]) -> int:
    for position, message in enumerate(messages):
        if isinstance(message, dict) and message.get("role") == "user":
            return position
    return len(messages) - 1
