"""What is turned away before any route sees it: foreign names, foreign pages, bodies too large or of nobody we know.

On an open loopback nobody shows a key, so a web page must not reach the front door through the browser: neither by a
name that it made resolve to this machine (the `Host` header), nor by posting a form (the `Origin` header). Nor must
anybody through a proxy on this machine, whom only the proxy's own headers tell from a neighbour.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth import Auth
from api.bodies import FORM, counted
from api.errors import NO_DATABASE, answer, unanswered
from api.forwarded import stranger
from api.host_name import host_of
from shared.errors import BadRequest, CidermillError, Forbidden, Unauthorized, UnsupportedEncoding
from shared.files import too_large
from shared.keys import Rank
from shared.protocol import LARGEST
from shared.settings import LOOPBACK, Settings
from shared.units import Bytes

#: Largest body of anything that is not a file.
BODY_LIMIT = Bytes(LARGEST)
#: What containers call the machine they run on. `internal` is reserved: no web page can make these names its own.
_FROM_CONTAINERS = frozenset({"host.docker.internal", "host.containers.internal"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_FILES = frozenset({"/v1/files", "/worker/v1/files", "/v1/audio/transcriptions", "/v1/audio/translations"})
_BLOBS = "/api/blobs/"
_HOSTS = "/worker/"


class Gate:
    """ASGI middleware; `app` is called only with what may pass."""

    def __init__(self, app: ASGIApp, settings: Settings, auth: Auth) -> None:
        self._app, self._auth = app, auth
        self._names = None if settings.keys_required else names_of(settings)
        self._pages = frozenset(settings.cors_origins)
        self._upload_limit = settings.upload_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_file = _takes_files(scope["path"])
        limit = self._upload_limit if is_file else BODY_LIMIT
        refusal = self._refusal(scope["method"], headers, limit) or await self._unknown(HTTPConnection(scope))
        if refusal is not None:
            await answer(Request(scope).url.path, refusal)(scope, receive, send)
        elif scope["method"] in _READING:
            await self._app(scope, receive, send)
        else:
            # What a host of ours sends are the answers of engines: vectors have millions of numbers.
            values = not is_file and not scope["path"].startswith(_HOSTS)
            await self._app(scope, counted(receive, limit, values=values), send)

    async def _unknown(self, connection: HTTPConnection) -> CidermillError | None:
        """Nobody's body is read before it is known whose it is; a route's own question comes after that."""
        if connection.scope["method"] in _READING:
            return None
        try:
            if connection.scope["path"].startswith(_HOSTS):
                await self._auth.host(connection)
            elif self._auth.required:
                await self._auth.caller(connection, Rank.worker)
        except Unauthorized as error:
            return error
        except NO_DATABASE as error:
            # Out here the app's own handlers are not asked.
            return unanswered(error)
        return None

    def _refusal(self, method: str, headers: Headers, limit: Bytes) -> CidermillError | None:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit + FORM:
            return too_large(limit)
        if headers.get("content-encoding", "identity").lower() != "identity":
            return UnsupportedEncoding(
                "Compressed requests are not read",
                "a few bytes could become more than the memory holds",
                "send it without Content-Encoding",
            )
        if self._names is None:
            return None
        if (who := stranger(headers)) is not None:
            return Forbidden(
                "The front door is open to this machine only",
                f"a proxy here brings a request from {who}, and nobody needs a key",
                "require keys: CIDERMILL_REQUIRE_KEYS=true",
            )
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
                "use the CLI, name the page in CIDERMILL_CORS_ORIGINS, or require keys: CIDERMILL_REQUIRE_KEYS=true",
            )
        return None


def _takes_files(path: str) -> bool:
    return path in _FILES or path.startswith(_BLOBS)


def names_of(settings: Settings) -> Collection[str]:
    """Names the front door answers to: loopback's, what it is bound to, and the host of its configured URL."""
    configured = {host_of(settings.url)} if settings.url else set()
    return {*LOOPBACK, *_FROM_CONTAINERS, settings.host, *configured}
