"""A mistake of ours as an answer like any other: the framework would answer it outside of what names and counts them.

It would also raise it once more, upon which the server closes the connection that the client's next request is to take.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import unexpected


class Answered:
    """ASGI middleware that answers what nobody else has; what fails in the middle of an answer goes on as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if begun:
                raise
            await unexpected(Request(scope), error)(scope, receive, send)
