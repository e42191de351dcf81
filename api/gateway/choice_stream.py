"""A streamed answer with choices, the same in both of OpenAI's dialects of completions but for its chunks."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from api import shapes
from api.gateway.reading import want
from api.sse import KEEP_ALIVE, MEDIA_TYPE, frame
from shared.errors import Problem
from shared.token_totals import TokenTotals


class ChoiceStream(ABC):
    """What clients break on is mended: each choice has an end, and usage comes last and only if it was asked for."""

    media_type = MEDIA_TYPE

    def __init__(self, usage: bool, choices: int = 1) -> None:
        self._usage = usage
        #: Choices that have not ended, and what their chunks have in common.
        self._going: set[int] = set()
        self._head: dict[str, Any] = {}
        #: What comes after the choices: llama.cpp counts each of several as it ends, before the others do.
        self._totals = TokenTotals(choices)
        self._last: dict[str, Any] | None = None

    @abstractmethod
    def _mended(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """The chunk with all that clients read; each choice, if it has any, has `index` and `finish_reason`."""

    def waiting(self) -> bytes:
        return KEEP_ALIVE

    def feed(self, events: Sequence[bytes]) -> bytes:
        return b"".join([self._event(event) for event in events])

    def end(self) -> bytes:
        totals = frame(self._last) if self._last is not None else b""
        return self._ended() + totals + b"data: [DONE]\n\n"

    def failed(self, problem: Problem, status: int) -> bytes:
        return frame(shapes.OPENAI.body(problem, status))

    def _event(self, event: bytes) -> bytes:
        chunk = json.loads(event)
        if "error" in chunk:
            # That is the end of it, for all choices.
            self._going.clear()
            return frame(chunk)
        mended = self._mended(without_null_fingerprint(chunk))
        if (used := self._totals.add(mended)) and self._usage:
            self._last = mended | {"choices": [], "usage": used}
        mended.pop("usage", None)
        if not mended.get("choices"):
            return b""
        for choice in mended["choices"]:
            self._follow(choice)
        self._head = {name: value for name, value in mended.items() if name != "choices"}
        return frame(mended)

    def _follow(self, choice: dict[str, Any]) -> None:
        """Whether it has ended."""
        if choice["finish_reason"]:
            self._going.discard(choice["index"])
        else:
            self._going.add(choice["index"])

    def _ended(self) -> bytes:
        """The ends that the engine has not told: clients take an answer without one for broken off."""
        choices = [{"index": index, "finish_reason": "stop", "logprobs": None} for index in sorted(self._going)]
        self._going.clear()
        return frame(self._mended(self._head | {"choices": choices})) if choices else b""


def asked_stream(body: dict[str, Any]) -> tuple[bool, bool]:
    """Is the answer streamed, and is its usage told then? What says so is taken out: it is the proxy's to set.

    Raises InvalidParameters.
    """
    usage = bool((want(body, "stream_options", dict) or {}).get("include_usage"))
    stream = bool(want(body, "stream", bool))
    for name in ("stream", "stream_options"):
        body.pop(name, None)
    return stream, usage


def without_null_fingerprint(said: dict[str, Any]) -> dict[str, Any]:
    """The same answer or chunk: strict clients know fingerprints that are missing, and none that are null."""
    if said.get("system_fingerprint", "") is None:
        del said["system_fingerprint"]
    return said
