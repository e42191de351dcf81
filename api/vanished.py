"""Clients that go without a word, as a laptop whose lid is closed: their connections end by themselves.

Nothing comes from such a client, so that only the silence of its system tells that it is gone: to probes where nothing
is on its way to it (`SO_KEEPALIVE`), else to what it was sent (RFC 5482). Then all that is done for it is dropped as if
it had hung up.
"""

from __future__ import annotations

import socket
import sys

#: Seconds of silence before the first probe, between two, and how many may stay without an answer.
_IDLE, _BETWEEN, _PROBES = 30, 10, 3
#: Seconds that what was sent may stay without an answer.
_UNHEARD = _IDLE + _BETWEEN * _PROBES
#: From macOS's netinet/tcp.h, which Python does not name.
_DARWIN = {"TCP_KEEPALIVE": 0x10, "TCP_RXT_CONNDROPTIME": 0x80}


def notice_vanished(listener: socket.socket) -> None:
    """Set it for all connections that this socket will accept: they inherit it."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _options():
        listener.setsockopt(socket.IPPROTO_TCP, option, value)


def _options() -> list[tuple[int, int]]:
    both = [(socket.TCP_KEEPINTVL, _BETWEEN), (socket.TCP_KEEPCNT, _PROBES)]
    if sys.platform == "darwin":
        return [*both, (_DARWIN["TCP_KEEPALIVE"], _IDLE), (_DARWIN["TCP_RXT_CONNDROPTIME"], _UNHEARD)]
    return [*both, (socket.TCP_KEEPIDLE, _IDLE), (socket.TCP_USER_TIMEOUT, _UNHEARD * 1000)]
