"""Ollama's `POST /api/chat` and `POST /api/generate`: streamed as lines of JSON unless `stream` is false.

The Content-Type is ignored: Ollama's own examples send a form's.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import shapes
from api.deps import Submitter
from api.gateway.exchange import CHAT, COMPLETION, Exchange
from api.gateway.ollama.answer import Field, Lines
from api.gateway.ollama.errors import SHAPE
from api.gateway.ollama.request import chat_of, generate_of, raw_of, seconds_of
from api.gateway.proxy import Proxy
from api.gateway.reading import need, read_object, want
from shared.runtimes import RunSpec
from shared.vocabulary import Capability

router = APIRouter(tags=["ollama"])
shapes.register(SHAPE, "/api/")


@router.post("/api/chat", response_class=Response)
async def chat(request: Request, caller: Submitter) -> Response:
    """Answer a chat on a ready run of `model`, or on one that is started for it."""
    asked = await read_object(request)
    return await _carry(request, asked, CHAT, chat_of(asked), "message")


@router.post("/api/generate", response_class=Response)
async def generate(request: Request, caller: Submitter) -> Response:
    """Answer a prompt; with `raw` the model sees nothing but the prompt."""
    asked = await read_object(request)
    if want(asked, "raw", bool):
        return await _carry(request, asked, COMPLETION, raw_of(asked), "response")
    return await _carry(request, asked, CHAT, generate_of(asked), "response")


async def _carry(request: Request, asked: dict[str, Any], path: str, body: dict[str, Any], into: Field) -> Response:
    proxy: Proxy = request.app.state.proxy
    return await proxy.carry(request, exchange(asked, path, body, into))


def exchange(asked: dict[str, Any], path: str, body: dict[str, Any], into: Field) -> Exchange:
    """The request with its answer as lines. Raises InvalidParameters."""
    model = need(asked, "model", str, "it names what answers; see GET /api/tags")
    streamed = want(asked, "stream", bool) is not False
    lines = Lines(model, into)
    return Exchange(
        model,
        Capability.GENERATE,
        path,
        body,
        lines.whole,
        (lambda: lines) if streamed else None,
        spec=_spec(asked),
        keep_alive=seconds_of(asked.get("keep_alive")),
    )


def _spec(asked: dict[str, Any]) -> RunSpec:
    """How to load the model, should it have to be loaded."""
    options = want(asked, "options", dict) or {}
    context = options.get("num_ctx")
    return RunSpec(context=context if isinstance(context, int) and context >= _LEAST_CONTEXT else None)


_LEAST_CONTEXT = 16
