"""A client for addresses that somebody else named: it asks no server but those that `addresses` allows.

A name may mean a public address when it is looked at, and this machine a moment later. So it is looked up once for each
request, and the very address that was checked is the one connected to; the name stays in `Host` and in the certificate.
"""

from __future__ import annotations

import ssl
from ipaddress import IPv4Address, IPv6Address

import httpx2

from shared.downloads.addresses import allowed
from shared.downloads.transfer import TIMEOUT

#: Kept connections are known by their address alone: one made for a name must not serve another that means the same.
_NONE_KEPT = httpx2.Limits(max_keepalive_connections=0)


def web_client(*, loopback: bool, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
    """Requests, and each redirect, raise InvalidInput for what may not be asked and Unavailable for unknown names.

    `loopback`: servers of this machine may be asked, and over http. No proxy: it would reach what we may not.
    """
    transport = _Checked(loopback, verify)
    return httpx2.Client(transport=transport, timeout=TIMEOUT, trust_env=False)


class _Checked(httpx2.HTTPTransport):
    """Connects to addresses, never to names."""

    def __init__(self, loopback: bool, verify: ssl.SSLContext | bool) -> None:
        super().__init__(verify=verify, trust_env=False, limits=_NONE_KEPT)
        self._loopback = loopback

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        *others, last = allowed(str(request.url), loopback=self._loopback)
        for address in others:
            try:
                return super().handle_request(_at(address, request))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                # Most names have several addresses so that one of them is reached.
                continue
        return super().handle_request(_at(last, request))


def _at(address: IPv4Address | IPv6Address, request: httpx2.Request) -> httpx2.Request:
    """The same request to the same server, whose address is known."""
    name = request.url.raw_host.decode("ascii")
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": name},
    )
