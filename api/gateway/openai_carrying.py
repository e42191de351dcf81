"""How OpenAI's dialects carry a request: a model that nobody has is told in the word their clients know."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from api.gateway.exchange import Exchange
from api.gateway.proxy import Proxy
from shared.errors import NotFound


async def carried(request: Request, exchange: Exchange) -> Response:
    """The answer of the run that takes it. Raises NotFound, with the code `model_not_found`, and as the proxy does."""
    proxy: Proxy = request.app.state.proxy
    try:
        return await proxy.carry(request, exchange)
    except NotFound as error:
        error.problem = error.problem.model_copy(update={"code": "model_not_found"})
        raise
