"""Where Anthropic's and OpenAI's clients ask at the same path: the header tells them apart, before anything else does.

Both list models at `/v1/models`. Who names a version of Anthropic's API is answered as at `/anthropic/v1/models`, also
with errors.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

#: The header that every request to Anthropic's API must have.
VERSION = b"anthropic-version"
_SHARED = "/v1/models"


class Addressed:
    """ASGI middleware; readdresses what is Anthropic's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _theirs(scope):
            scope = {**scope, "path": f"/anthropic{scope['path']}"}
        await self._app(scope, receive, send)


def _theirs(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["path"].startswith(_SHARED)
        and scope["method"] == "GET"
        and scope["path"][len(_SHARED) :][:1] in ("", "/")
        and any(name == VERSION for name, _ in scope["headers"])
    )
