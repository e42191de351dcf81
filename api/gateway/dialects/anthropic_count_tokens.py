"""Anthropic's `POST /v1/messages/count_tokens`, also under `/anthropic`; some clients call it dozens of times.

Source: Anthropic's API reference, "Count tokens in a message". Query parameters and beta headers are ignored.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from api.deps import Submitter
from api.gateway.anthropic.request import chat_of
from api.gateway.chats import engine_body
from api.gateway.reading import need, read_object
from api.gateway.token_count import TokenCounter

router = APIRouter(tags=["anthropic"])

#: Says who counted: `engine` and `tokenizer` are sure, `estimate` is not.
_SOURCE = "Cidermill-Count"


@router.post("/v1/messages/count_tokens")
@router.post("/anthropic/v1/messages/count_tokens")
async def count_tokens(request: Request, response: Response, caller: Submitter) -> dict[str, int]:
    """The tokens of what a message would send; the header `Cidermill-Count` says who counted. Starts no run."""
    asked = await read_object(request)
    model = need(asked, "model", str, "it names whose tokens are counted; see GET /v1/models")
    counter: TokenCounter = request.app.state.token_counter
    counted = await counter.count(caller, model, _chat(asked))
    response.headers[_SOURCE] = counted.source
    return {"input_tokens": counted.tokens}


def _chat(asked: dict[str, Any]) -> dict[str, Any]:
    """How long the answer may become is not asked for, and does not matter."""
    return engine_body(chat_of(asked | {"max_tokens": 1}))
