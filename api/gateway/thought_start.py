"""Whether answers of a run begin inside a thought: its template ends the prompt with the tag that opens one.

The engine is asked once for each load of a run and each way of asking it to think. llama.cpp, whose own splitting knows
only some templates, tells; other engines have no such question, and split by themselves or leave both tags in the text.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from api.gateway.engine_client import EngineClient
from api.gateway.seats import Seat

_PATH = "/apply-template"
_OPEN = "<think>"
#: Seconds to wait for what the prompt looks like, and until it is asked again after there was no answer.
_PATIENCE, _LATER = 1.0, 60.0
#: Loads of runs, and ways of asking, that are remembered.
_MOST = 512

_FORMS = ("response_format", "json_schema", "grammar")

_Key = tuple[str, int, bytes]


class ThoughtStarts:
    """What is known of runs, for one front door."""

    def __init__(self, engines: EngineClient) -> None:
        self._engines = engines
        #: The answer, and until when it holds.
        self._known: dict[_Key, tuple[bool, float]] = {}

    async def inside(self, seat: Seat, body: Mapping[str, Any]) -> bool:
        """Whether this run's answer to a chat, an engine's request, begins inside a thought."""
        if not _begins(body):
            return False
        fields = {"chat_template_kwargs": body["chat_template_kwargs"]} if body.get("chat_template_kwargs") else {}
        # Not the fields themselves: clients may write megabytes into them.
        asked = blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=16).digest()
        key = seat.run_id, seat.generation, asked
        known, until = self._known.get(key, (False, 0.0))
        if time.monotonic() < until:
            return known
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        try:
            async with asyncio.timeout(_PATIENCE):
                said = await self._ask(seat, fields)
        except (OSError, ValueError):
            self._known[key] = False, time.monotonic() + _LATER
            return False
        self._known[key] = said, float("inf")
        return said

    async def _ask(self, seat: Seat, fields: Mapping[str, Any]) -> bool:
        """Raises OSError when the engine does not answer, ValueError when nobody can read what it says."""
        asked = {"messages": [{"role": "user", "content": "?"}], **fields}
        headers = {"Content-Type": "application/json", **seat.headers()}
        async with self._engines.post(seat.reach.url + _PATH, json.dumps(asked).encode(), headers) as reply:
            said = await reply.read()
        if reply.status != HTTPStatus.OK:
            return False
        prompt = json.loads(said)
        return isinstance(prompt, dict) and str(prompt.get("prompt")).rstrip().endswith(_OPEN)


def _begins(body: Mapping[str, Any]) -> bool:
    """Not so an answer that goes on with what the client has begun, or that is held to a form from its first letter."""
    last = (body.get("messages") or [None])[-1]
    goes_on = isinstance(last, dict) and last.get("role") == "assistant"
    return not goes_on and not any(body.get(form) for form in _FORMS)
