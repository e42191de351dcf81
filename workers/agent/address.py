"""Where other hosts reach this one."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.settings import LOOPBACK, Settings

_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104
#: Reserved for documentation (RFC 5737): nobody answers there, but the way there is the way out of this machine.
_ANYWHERE = "192.0.2.1"
_PORTS = {"https": 443}
#: Seconds for the front door to answer.
_PATIENCE = 3.0


@dataclass(frozen=True)
class PeerAddress:
    """What to bind to, and what to tell others."""

    bind: str
    advertise: str

    def url(self, port: int) -> str:
        return f"http://[{self.advertise}]:{port}" if ":" in self.advertise else f"http://{self.advertise}:{port}"


def peer_address(settings: Settings) -> PeerAddress:
    """`peer_host` when it is set; else loopback, unless the fleet reaches beyond this machine.

    It does when the front door is on another machine, or open to others on this one. Then it is the address from which
    this host calls it, for that is where it is believed to be.
    """
    front_door = urlsplit(settings.front_door)
    there = front_door.hostname or ""
    if settings.peer_host is not None:
        bind = settings.peer_host
        return PeerAddress(bind, _towards(_beyond(there)) if bind in _WILDCARDS else bind)
    if there not in LOOPBACK:
        own = _calling(there, front_door.port or _PORTS.get(front_door.scheme, 80)) or _towards(there)
        return PeerAddress(own, own)
    if settings.host not in LOOPBACK:
        own = _towards(_ANYWHERE)
        return PeerAddress(own, own)
    return PeerAddress("127.0.0.1", "127.0.0.1")


def _beyond(front_door: str) -> str:
    return _ANYWHERE if front_door in LOOPBACK else front_door


def _calling(host: str, port: int) -> str | None:
    """This machine's end of a connection there; `None` while nobody answers. A name may have several addresses."""
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE) as connection:
            return str(connection.getsockname()[0])
    except OSError:
        return None


def _towards(host: str) -> str:
    """This machine's address on the way to `host`; loopback when there is no way. Sends nothing."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"
