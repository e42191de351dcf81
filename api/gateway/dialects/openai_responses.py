"""OpenAI's responses: `POST /v1/responses`. Nothing is kept, so none can be asked for again.

Source: OpenAI's API reference, "Responses" and "Streaming events", and the Open Responses specification.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import shapes
from api.deps import Reader, Submitter
from api.gateway.chats import chat
from api.gateway.exchange import Exchange
from api.gateway.model_names import asked_for
from api.gateway.openai_carrying import carried
from api.gateway.reading import read_object, want
from api.gateway.responses import answer
from api.gateway.responses.request import chat_of
from api.gateway.responses.stream import ResponseWriter
from shared.errors import NotFound
from shared.requests import CHAT
from shared.vocabulary import Capability

router = APIRouter(tags=["openai"])
shapes.register(shapes.OPENAI, "/v1/responses")


@router.post("/v1/responses", response_class=Response)
async def respond(request: Request, caller: Submitter) -> Response:
    """Answer `input` on a ready run of `model`, or on one that is started for it; `stream` streams events."""
    return await carried(request, read(await read_object(request)))


@router.post("/v1/responses/{response_id}/cancel", response_class=Response, status_code=404)
@router.get("/v1/responses/{response_id}/input_items", response_class=Response, status_code=404)
@router.get("/v1/responses/{response_id}", response_class=Response, status_code=404)
@router.post("/v1/responses/{response_id}", response_class=Response, status_code=404)
@router.delete("/v1/responses/{response_id}", response_class=Response, status_code=404)
async def find(response_id: str, caller: Reader) -> None:
    """Always a 404: responses are not kept, and none is made shorter here (`POST …/compact`)."""
    raise NotFound(
        f"There is no response {response_id}",
        "responses are not kept here",
        "keep what POST /v1/responses answers, and send the whole conversation as input",
    )


def read(asked: dict[str, Any]) -> Exchange:
    """The request; fields that are not known are ignored. Raises InvalidParameters."""
    model = asked_for(asked)
    # An answer says who gave it, also to those who named nobody.
    asked = asked | {"model": model}
    body = chat_of(asked)
    stream = bool(want(asked, "stream", bool))
    writer = (lambda: ResponseWriter(asked)) if stream else None
    return chat(Exchange(model, Capability.GENERATE, CHAT, body, answer.Response(asked).whole, writer))
