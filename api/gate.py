"""What is turned away before any route sees it: foreign names, foreign pages, bodies that are too large.

On an open loopback nobody shows a key, so a web page must not reach the front door through the browser: neither by a
name that it made resolve to this machine (the `Host` header), nor by posting a form (the `Origin` header).
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import answer
from shared.errors import BadRequest, CidermillError, Forbidden, UnsupportedEncoding
from shared.files import too_large
from shared.settings import LOOPBACK, Settings
from shared.units import MIB, Bytes

#: Largest body of anything that is not a file.
BODY_LIMIT = Bytes(64 * MIB)
#: What containers call the machine they run on. `internal` is reserved: no web page can make these names its own.
_FROM_CONTAINERS = frozenset({"host.docker.internal", "host.containers.internal"})
#: What a multipart form takes beside the file in it.
_FORM = 64 * 1024
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_FILES = frozenset({"/v1/files", "/worker/v1/files", "/v1/audio/transcriptions", "/v1/audio/translations"})
_BLOBS = "/api/blobs/"


class Gate:
    """ASGI middleware; `app` is called only with what may pass."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._names = None if settings.keys_required else names_of(settings)
        self._pages = frozenset(settings.cors_origins)
        self._upload_limit = settings.upload_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = self._upload_limit if _takes_files(scope["path"]) else BODY_LIMIT
        refusal = self._refusal(scope["method"], headers, limit)
        if refusal is not None:
            await answer(Request(scope).url.path, refusal)(scope, receive, send)
        elif scope["method"] in _READING:
            await self._app(scope, receive, send)
        else:
            await self._app(scope, _counted(receive, limit), send)

    def _refusal(self, method: str, headers: Headers, limit: Bytes) -> CidermillError | None:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit + _FORM:
            return too_large(limit)
        if headers.get("content-encoding", "identity").lower() != "identity":
            return UnsupportedEncoding(
                "Compressed requests are not read",
                "a few bytes could become more than the memory holds",
                "send it without Content-Encoding",
            )
        if self._names is None:
            return None
        name = host_of("//" + headers.get("host", ""))
        if name not in self._names:
            return BadRequest(
                f"The front door is not called {name!r}",
                "on loopback it answers to its own names only, so that web pages cannot reach it",
                "use http://localhost, set CIDERMILL_URL to that name, or bind with keys",
                known=sorted(self._names),
            )
        origin = headers.get("origin")
        if (
            origin is not None
            and origin not in self._pages
            and method not in _READING
            and host_of(origin) not in self._names
        ):
            return Forbidden(
                f"A page of {origin} may not do this",
                "without keys, only pages of this machine may change anything",
                "use the CLI, or require keys: CIDERMILL_REQUIRE_KEYS=true",
            )
        return None


def _takes_files(path: str) -> bool:
    return path in _FILES or path.startswith(_BLOBS)


def names_of(settings: Settings) -> Collection[str]:
    """Names the front door answers to: loopback's, what it is bound to, and the host of its configured URL."""
    configured = {host_of(settings.url)} if settings.url else set()
    return {*LOOPBACK, *_FROM_CONTAINERS, settings.host, *configured}


def host_of(url: str) -> str:
    """The host name in a URL; empty when there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _counted(receive: Receive, limit: Bytes) -> Receive:
    """Bodies without a length are counted as they come."""
    taken = 0

    async def counting() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit + _FORM:
            raise too_large(limit)
        return message

    return counting
