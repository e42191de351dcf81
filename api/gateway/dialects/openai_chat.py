"""OpenAI's chat completions: `POST /v1/chat/completions`.

Source: OpenAI's API reference, "Chat" and "Chat streaming", and what its clients break on when it is otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import shapes
from api.deps import Submitter
from api.gateway.chats import chat as chat_exchange
from api.gateway.exchange import CHAT, Exchange
from api.gateway.model_names import asked_for
from api.gateway.old_functions import as_tools, is_old, tell_old
from api.gateway.openai_carrying import carried
from api.gateway.reading import need, read_object, want
from api.gateway.thinking import told_to_think
from api.sse import KEEP_ALIVE, MEDIA_TYPE, frame
from shared.errors import Problem
from shared.token_totals import TokenTotals
from shared.vocabulary import Capability

router = APIRouter(tags=["openai"])
shapes.register(shapes.OPENAI, "/v1/chat/")


@router.post(CHAT, response_class=Response)
async def chat(request: Request, caller: Submitter) -> Response:
    """Answer a chat on a ready run of `model`, or on one that is started for it; `stream` streams."""
    return await carried(request, read(await read_object(request)))


def read(asked: dict[str, Any]) -> Exchange:
    """The request; what is not named here is the engine's to judge. Raises InvalidParameters."""
    model = asked_for(asked)
    need(asked, "messages", list, "a chat has at least one message")
    body, old = as_tools(asked), is_old(asked)
    usage = bool((want(body, "stream_options", dict) or {}).get("include_usage"))
    stream = bool(want(body, "stream", bool))
    for ours in ("model", "stream", "stream_options"):
        body.pop(ours, None)
    if (effort := want(body, "reasoning_effort", str)) and "chat_template_kwargs" not in body:
        body |= told_to_think(effort)
    choices = want(body, "n", int) or 1
    kind = OldChunkWriter if old else ChunkWriter
    writer = (lambda: kind(usage, choices)) if stream else None
    return chat_exchange(Exchange(model, Capability.GENERATE, CHAT, body, _old_whole if old else _whole, writer))


def _whole(said: dict[str, Any]) -> dict[str, Any]:
    """Engines differ in what they leave out; strict clients want it there."""
    said.setdefault("object", "chat.completion")
    if said.get("system_fingerprint", "") is None:
        del said["system_fingerprint"]
    for index, choice in enumerate(said.get("choices") or ()):
        choice.setdefault("index", index)
        choice.setdefault("logprobs", None)
        message = choice["message"]
        message.update({"content": None, "refusal": None, "annotations": []} | message)
    return said


def _old_whole(said: dict[str, Any]) -> dict[str, Any]:
    whole = _whole(said)
    for choice in whole.get("choices") or ():
        tell_old(choice)
    return whole


class ChunkWriter:
    """Chunks as the engine wrote them, but for what clients break on: the role comes once, usage only if asked for."""

    media_type = MEDIA_TYPE

    def __init__(self, usage: bool, choices: int = 1) -> None:
        self._usage = usage
        self._choices = choices
        #: Choices whose role was said.
        self._began: set[int] = set()
        #: Choices that have not ended, and what their chunks have in common.
        self._going: set[int] = set()
        self._head: dict[str, Any] = {}
        #: What comes after the choices: llama.cpp counts each of several as it ends, before the others do.
        self._totals = TokenTotals(choices)
        self._last: dict[str, Any] | None = None

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
        if self._plain(event):
            return b"data: " + event + b"\n\n"
        chunk = json.loads(event)
        if "error" in chunk:
            # That is the end of it, for all choices.
            self._going.clear()
            return frame(chunk)
        mended = self._mend(chunk)
        return self._told(mended) if mended is not None else b""

    def _ended(self) -> bytes:
        """The ends that the engine has not told: clients take an answer without one for broken off."""
        choices: list[dict[str, Any]] = [
            {"index": index, "delta": {}, "finish_reason": "stop", "logprobs": None} for index in sorted(self._going)
        ]
        self._going.clear()
        return self._told(self._head | {"choices": choices}) if choices else b""

    def _told(self, chunk: dict[str, Any]) -> bytes:
        return frame(chunk)

    def _plain(self, event: bytes) -> bool:
        """Most chunks are a piece of text and go through unread: reading each would cost more than all the rest.

        The names are quoted here, which inside a text they could only be with backslashes.
        """
        return (
            len(self._began) >= self._choices
            and b'"finish_reason":null' in event
            # One by one, since a loop over them would cost thrice as much.
            and b'"role"' not in event
            and b'"tool_calls"' not in event
            and b'"usage"' not in event
            and b'"error"' not in event
            and b'"system_fingerprint":null' not in event
        )

    def _mend(self, chunk: dict[str, Any]) -> dict[str, Any] | None:
        if "id" not in chunk:
            # An end that a mend has told.
            chunk = self._head | chunk
        chunk.setdefault("object", "chat.completion.chunk")
        if chunk.get("system_fingerprint", "") is None:
            del chunk["system_fingerprint"]
        if (used := self._totals.add(chunk)) and self._usage:
            self._last = chunk | {"choices": [], "usage": used}
        chunk.pop("usage", None)
        if not chunk.get("choices"):
            return None
        for index, choice in enumerate(chunk["choices"]):
            choice.setdefault("index", index)
            delta = choice["delta"] = choice.get("delta") or {}
            delta.pop("role", None)
            if choice["index"] not in self._began:
                choice["delta"] = {"role": "assistant"} | delta
                self._began.add(choice["index"])
            self._follow(choice)
        self._head = {name: value for name, value in chunk.items() if name != "choices"}
        return chunk

    def _follow(self, choice: dict[str, Any]) -> None:
        """Whether it has ended."""
        if choice.get("finish_reason"):
            self._going.discard(choice["index"])
            return
        choice["finish_reason"] = None
        self._going.add(choice["index"])


class OldChunkWriter(ChunkWriter):
    """The same for clients that know functions and no tools."""

    def _told(self, chunk: dict[str, Any]) -> bytes:
        for choice in chunk["choices"]:
            tell_old(choice)
        return super()._told(chunk)
