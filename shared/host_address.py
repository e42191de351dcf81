"""Where a host is reached: what it says of that is believed only of itself.

The front door asks runs at that address, and other hosts fetch models from it. So a host that lies, or that somebody
took over, must not make them call what only they can reach.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from shared.errors import Forbidden

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Origin:
    """Where a registration came from, and the networks in which hosts may have other addresses than that."""

    address: str
    networks: Sequence[str] = ()

    @property
    def here(self) -> bool:
        """It came from this very machine."""
        return is_own(self.address)

    def confirmed(self, url: str | None) -> str | None:
        """The URL as it will be called: `http://<address>:<port>` and nothing more. Raises Forbidden.

        A name is not looked up, for it may mean another address the next time: the host is called where it came from.
        """
        if url is None:
            return None
        host, port = _split(url)
        said, came = _address(host), _address(self.address)
        if said is None or said == came:
            # In our own words: of a link-local address only we know on which of our networks it is.
            host = self.address if came is not None else ""
        elif not (self._is_neighbour(said, came) or any(said in ip_network(network) for network in self.networks)):
            raise _refused(
                url, f"it came from {self.address or 'nowhere'}", "set CIDERMILL_HOST_NETWORKS to its network"
            )
        if not host:
            raise _refused(url, "nobody knows where it came from", "let it say an address instead of a name")
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def _is_neighbour(self, said: Address, came: Address | None) -> bool:
        """Both are of this machine, which calls itself on loopback whatever its own address is."""
        return came is not None and is_own(str(came)) and is_own(str(said))


def is_own(address: str) -> bool:
    """Whether this machine has that address: only then can something be bound to it."""
    parsed = _address(address)
    if parsed is None or parsed.is_unspecified or parsed.is_multicast:
        return False
    try:
        family = socket.AF_INET6 if parsed.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((str(parsed), 0))
    except OSError:
        return False
    return True


def _split(url: str) -> tuple[str, int]:
    """Host and port. Raises Forbidden for what is more than these."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or not port or url not in (f"http://{parts.netloc}", f"http://{parts.netloc}/") or "@" in parts.netloc:
        raise _refused(url, "it is not of the form http://ADDRESS:PORT", "bring Cidermill on the host up to date")
    return host, port


def _address(text: str) -> Address | None:
    """Without the name of a network in it, and an IPv4 address behind an IPv6 one as itself; `None` for other names."""
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed


def _refused(url: str, why: str, fix: str) -> Forbidden:
    return Forbidden(f"The host is not called at {url[:200]!r}", why, fix)
