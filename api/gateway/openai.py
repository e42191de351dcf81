"""OpenAI's chat completions, over whatever run has the model."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.deps import Submitter
from api.gateway.proxy import Proxy
from shared.errors import BadRequest, InvalidParameters, NotFound
from shared.vocabulary import Capability

router = APIRouter(tags=["openai"])

_CHAT = "/v1/chat/completions"


@router.post(_CHAT, response_class=Response)
async def chat(request: Request, caller: Submitter) -> Response:
    """Answer a chat on a ready run of `model`, or on one that is started for it; `stream` streams."""
    asked = _read(await request.body())
    proxy: Proxy = request.app.state.proxy
    ask = proxy.streamed if asked.get("stream") else proxy.whole
    try:
        return await ask(request, _CHAT, asked, Capability.GENERATE)
    except NotFound as error:
        error.problem = error.problem.model_copy(update={"code": "model_not_found"})
        raise


def _read(body: bytes) -> dict[str, Any]:
    """The request; everything but the model is the engine's to judge. Raises BadRequest, InvalidParameters."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The request is not JSON", str(error), "send a chat completion request as JSON") from error
    if not isinstance(asked, dict):
        raise BadRequest("The request is not an object", f"it is a {type(asked).__name__}", "send model and messages")
    if not isinstance(asked.get("model"), str) or not asked["model"]:
        raise InvalidParameters("model is missing", "it names what answers", "see GET /v1/models", field="model")
    if not isinstance(asked.get("messages"), list) or not asked["messages"]:
        raise InvalidParameters(
            "messages is missing", "a chat has at least one message", "send a list of messages", field="messages"
        )
    return asked
