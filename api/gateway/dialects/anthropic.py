"""Anthropic's messages: `POST /v1/messages`, also under `/anthropic`.

Source: Anthropic's API reference, "Messages" and "Streaming messages".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import shapes
from api.deps import Submitter
from api.gateway.anthropic.answer import whole
from api.gateway.anthropic.errors import SHAPE
from api.gateway.anthropic.request import chat_of
from api.gateway.anthropic.stream import MessageWriter
from api.gateway.chats import chat
from api.gateway.exchange import Exchange
from api.gateway.model_names import asked_for
from api.gateway.proxy import Proxy
from api.gateway.reading import read_object, want
from api.gateway.token_count import TokenCounter
from shared.requests import ASK_PROGRESS, CHAT
from shared.vocabulary import Capability

router = APIRouter(tags=["anthropic"])
shapes.register(SHAPE, "/v1/messages", "/anthropic/")


@router.post("/v1/messages", response_class=Response)
@router.post("/anthropic/v1/messages", response_class=Response)
async def messages(request: Request, caller: Submitter) -> Response:
    """Answer a chat on a ready run of `model`, or on one that is started for it; `stream` streams events."""
    proxy: Proxy = request.app.state.proxy
    exchange = _translated(await read_object(request))
    if exchange.writer is not None:
        exchange = await _counted(request, exchange)
    return await proxy.carry(request, chat(exchange))


async def _counted(request: Request, exchange: Exchange) -> Exchange:
    """The first event says how long the prompt is, and most engines tell only with the last: it is counted here."""
    counter: TokenCounter = request.app.state.token_counter
    tokens = (await counter.here(exchange.model, exchange.body)).tokens
    return replace(exchange, writer=lambda: MessageWriter(exchange.model, tokens))


def read(asked: dict[str, Any]) -> Exchange:
    """The request; fields that are not known, and beta headers, are ignored. Raises InvalidParameters."""
    return chat(_translated(asked))


def _translated(asked: dict[str, Any]) -> Exchange:
    model = asked_for(asked)
    body = chat_of(asked)
    exchange = Exchange(model, Capability.GENERATE, CHAT, body, lambda said: whole(said, model))
    if not want(asked, "stream", bool):
        return exchange
    # The first event tells how long the prompt is; llama.cpp says so when it is asked to, others ignore it.
    body[ASK_PROGRESS] = True
    return replace(exchange, writer=lambda: MessageWriter(model))
