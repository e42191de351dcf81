"""What a client meant that asks where there is nothing, or for what is not done there.

Most such addresses are a base URL with `/v1` once too often.

Some clients want it to end in `/v1`, some add that themselves, and Ollama's have `/api` instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from starlette.requests import Request
from starlette.routing import Match

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_ROOTS = ("", "/v1", "/api")
#: Parts that a base URL has too many, at most: each is looked up, and an address may have thousands.
_TOO_MANY = 3


def meant(request: Request) -> str | None:
    """The path of a route that ends like the one which was asked for; `None` when there is none."""
    for path in _endings(request.scope["path"]):
        scope = {**request.scope, "path": path}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
            return path
    return None


def methods(request: Request) -> list[str]:
    """Those that the routes of the path take, whichever of them was asked for."""
    routes = request.app.router.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def _endings(path: str) -> Iterator[str]:
    """The longest first."""
    segments = [segment for segment in path.split("/") if segment]
    for begin in range(min(len(segments), _TOO_MANY + 1)):
        ending = "/" + "/".join(segments[begin:])
        for root in _ROOTS:
            if root + ending != path:
                yield root + ending
