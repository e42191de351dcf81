"""A name for each request, in every answer's headers, so that a caller's report can be found in the log.

OpenAI's clients read `x-request-id`, Anthropic's read `request-id`.
"""

from __future__ import annotations

import re
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.identifiers import new_id

HEADERS = ("x-request-id", "request-id")
#: What a caller may choose: it comes back in a header and goes into the log, so nothing that could mean more there.
_CHOSEN = re.compile(r"[A-Za-z0-9._-]{1,64}")

_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def current() -> str:
    """Of the request that is being answered; a new one outside of any."""
    return _current.get() or new_id("req")


class Named:
    """ASGI middleware that names each request, as its caller does when that name is a plain one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = _chosen(Headers(scope=scope)) or new_id("req")

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for header in HEADERS:
                    headers[header] = name
            await send(message)

        token = _current.set(name)
        try:
            await self._app(scope, receive, named)
        finally:
            _current.reset(token)


def _chosen(headers: Headers) -> str | None:
    given = headers.get(HEADERS[0], "")
    return given if _CHOSEN.fullmatch(given) else None
