"""OpenAI's `POST /v1/responses/input_tokens`: how long the prompt of a response would be.

Source: OpenAI's API reference, "Get input token counts".
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from api.deps import Submitter
from api.gateway.chats import engine_body
from api.gateway.model_names import asked_for
from api.gateway.openai_carrying import models_by_name
from api.gateway.reading import read_object
from api.gateway.responses.request import chat_of
from api.gateway.token_count import TokenCounter

router = APIRouter(tags=["openai"])


@router.post("/v1/responses/input_tokens")
async def count(request: Request, caller: Submitter) -> dict[str, Any]:
    """The tokens of `input`, instructions and tools; starts no run."""
    asked = await read_object(request)
    counter: TokenCounter = request.app.state.token_counter
    with models_by_name():
        counted = await counter.count(caller, asked_for(asked), engine_body(chat_of(asked)))
    return {"object": "response.input_tokens", "input_tokens": counted.tokens}
