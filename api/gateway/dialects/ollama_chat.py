"""Ollama's `POST /api/chat` and `POST /api/generate`: streamed as lines of JSON unless `stream` is false.

The Content-Type is ignored: Ollama's own examples send a form's. Without a message or a prompt the model is only
loaded, or, with a `keep_alive` of 0, unloaded.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import shapes
from api.deps import Submitter
from api.gateway.chats import chat as chat_exchange
from api.gateway.exchange import Exchange
from api.gateway.ollama.answer import Field, Lines
from api.gateway.ollama.clock import Clock
from api.gateway.ollama.errors import SHAPE
from api.gateway.ollama.loading import Loader
from api.gateway.ollama.request import chat_of, generate_of, model_of, raw_of, seconds_of, spec_of
from api.gateway.proxy import Proxy
from api.gateway.reading import read_object, want
from shared.requests import CHAT, COMPLETION
from shared.vocabulary import Capability

router = APIRouter(tags=["ollama"])
shapes.register(SHAPE, "/api/")


@router.post("/api/chat", response_class=Response)
async def chat(request: Request, caller: Submitter) -> Response:
    """Answer a chat on a ready run of `model`, or on one that is started for it."""
    asked = await read_object(request)
    exchange = exchange_of(asked, CHAT, chat_of(asked), "message")
    if not asked.get("messages"):
        return await Loader(request).carry(exchange, {"message": {"role": "assistant", "content": ""}})
    return await _carry(request, exchange)


@router.post("/api/generate", response_class=Response)
async def generate(request: Request, caller: Submitter) -> Response:
    """Answer a prompt; with `raw` the model sees nothing but the prompt."""
    asked = await read_object(request)
    if want(asked, "raw", bool):
        exchange = exchange_of(asked, COMPLETION, raw_of(asked), "response")
    else:
        exchange = exchange_of(asked, CHAT, generate_of(asked), "response")
    if not asked.get("prompt") and not asked.get("images"):
        return await Loader(request).carry(exchange, {"response": ""})
    return await _carry(request, exchange)


async def _carry(request: Request, exchange: Exchange) -> Response:
    proxy: Proxy = request.app.state.proxy
    return await proxy.carry(request, exchange)


def exchange_of(asked: dict[str, Any], path: str, body: dict[str, Any], into: Field) -> Exchange:
    """The request with its answer as lines. Raises InvalidParameters."""
    model, clock = model_of(asked), Clock()

    def lines() -> Lines:
        return Lines(model, into, clock)

    exchange = Exchange(
        model,
        Capability.GENERATE,
        path,
        body,
        lines().whole,
        None if want(asked, "stream", bool) is False else lines,
        spec=spec_of(asked),
        keep_alive=seconds_of(asked.get("keep_alive")),
    )
    # Who says that the model should not think wants no thoughts either, of a model that cannot help it.
    return chat_exchange(exchange, thoughts=asked.get("think") is not False) if path == CHAT else exchange
