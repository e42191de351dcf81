"""Where a caller reaches the front door: what it asked, or what is configured when that names the same better."""

from __future__ import annotations

from starlette.requests import Request

from api.host_name import host_of
from shared.settings import LOOPBACK


def own_address(request: Request, url: str | None) -> str:
    """Without a slash at its end; `url` is `CIDERMILL_URL`. Only trusted proxies tell of the caller's https."""
    asked = str(request.base_url).rstrip("/")
    host = host_of(asked)
    if url is None or request.url.scheme == "https" or host not in {host_of(url), *LOOPBACK}:
        return asked
    return url.rstrip("/")
