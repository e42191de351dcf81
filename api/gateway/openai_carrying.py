"""How OpenAI's dialects carry a request: with the words and the headers that their clients know."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request
from starlette.responses import Response

from api.gateway.exchange import Exchange
from api.gateway.proxy import Proxy
from shared.errors import NotFound

#: Milliseconds until the answer, or the beginning of a stream, was there.
_TOOK = "openai-processing-ms"


async def carried(request: Request, exchange: Exchange) -> Response:
    """The answer of the run that takes it. Raises NotFound, with the code `model_not_found`, and as the proxy does."""
    proxy: Proxy = request.app.state.proxy
    began = time.monotonic()
    with models_by_name():
        response = await proxy.carry(request, exchange)
    response.headers[_TOOK] = f"{(time.monotonic() - began) * 1000:.0f}"
    return response


@contextmanager
def models_by_name() -> Iterator[None]:
    """What is looked up in here are models: NotFound gets the code by which OpenAI's clients know it."""
    try:
        yield
    except NotFound as error:
        error.problem = error.problem.model_copy(update={"code": "model_not_found"})
        raise
