"""OpenAI's chat completions: `POST /v1/chat/completions`.

Source: OpenAI's API reference, "Chat" and "Chat streaming", and what its clients break on when it is otherwise.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import shapes
from api.deps import Submitter
from api.gateway.chats import chat as chat_exchange
from api.gateway.choice_stream import ChoiceStream, asked_stream, without_null_fingerprint
from api.gateway.exchange import Exchange
from api.gateway.model_names import asked_for
from api.gateway.old_functions import as_tools, is_old, tell_old
from api.gateway.openai_carrying import carried
from api.gateway.reading import need, read_object, want
from api.gateway.thinking import told_to_think
from shared.requests import CHAT
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
    stream, usage = asked_stream(body)
    body.pop("model", None)
    if (effort := want(body, "reasoning_effort", str)) and "chat_template_kwargs" not in body:
        body |= told_to_think(effort)
    choices = want(body, "n", int) or 1
    kind = OldChunkWriter if old else ChunkWriter
    writer = (lambda: kind(usage, choices)) if stream else None
    return chat_exchange(Exchange(model, Capability.GENERATE, CHAT, body, _old_whole if old else _whole, writer))


def _whole(said: dict[str, Any]) -> dict[str, Any]:
    """Engines differ in what they leave out; strict clients want it there."""
    without_null_fingerprint(said).setdefault("object", "chat.completion")
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


class ChunkWriter(ChoiceStream):
    """Chunks as the engine wrote them, but for what clients break on: the role comes once."""

    def __init__(self, usage: bool, choices: int = 1) -> None:
        super().__init__(usage, choices)
        self._choices = choices
        #: Choices whose role was said.
        self._began: set[int] = set()

    def _event(self, event: bytes) -> bytes:
        return b"data: " + event + b"\n\n" if self._plain(event) else super()._event(event)

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

    def _mended(self, chunk: dict[str, Any]) -> dict[str, Any]:
        if "id" not in chunk:
            # An end that a mend has told.
            chunk = self._head | chunk
        chunk.setdefault("object", "chat.completion.chunk")
        for index, choice in enumerate(chunk.get("choices") or ()):
            choice.setdefault("index", index)
            delta = choice["delta"] = choice.get("delta") or {}
            delta.pop("role", None)
            if choice["index"] not in self._began:
                choice["delta"] = {"role": "assistant"} | delta
                self._began.add(choice["index"])
            choice["finish_reason"] = choice.get("finish_reason") or None
        return chunk


class OldChunkWriter(ChunkWriter):
    """The same for clients that know functions and no tools."""

    def _mended(self, chunk: dict[str, Any]) -> dict[str, Any]:
        mended = super()._mended(chunk)
        for choice in mended.get("choices") or ():
            tell_old(choice)
        return mended
