"""Which addresses a download may talk to: nobody may use a host to reach what only the host can reach."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from shared.errors import InvalidInput, Unavailable


def allowed(url: str, *, loopback: bool) -> list[IPv4Address | IPv6Address]:
    """What the name in `url` means now: public addresses and https, or this machine's when `loopback`; at least one.

    Raises InvalidInput when any of them may not be asked, Unavailable when the name is unknown.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _refused(parts.hostname or parts.scheme, "It is no web address.")
    found = _resolve(parts.hostname)
    if loopback and all(address.is_loopback for address in found):
        return found
    if parts.scheme != "https":
        raise _refused(parts.hostname, "Only https is allowed, and http on this machine itself.")
    if not all(_is_public(address) for address in found):
        raise _refused(parts.hostname, "It is not a public address.")
    return found


def is_loopback(url: str) -> bool:
    """Whether the address, as written, is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _resolve(host: str) -> list[IPv4Address | IPv6Address]:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"{host} is not known", str(error), "correct the address, or check the network") from error
    return list(dict.fromkeys(_plain(ip_address(str(answer[4][0]).partition("%")[0])) for answer in answers))


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address behind an IPv6 one as itself."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and (address.sixtofour or address.teredo or _is_nat64(address)):
        return False
    return address.is_global and not address.is_multicast


def _is_nat64(address: IPv6Address) -> bool:
    return int(address) >> 96 == 0x0064FF9B


def _refused(host: str | None, why: str) -> InvalidInput:
    return InvalidInput(
        f"Nothing may be downloaded from {host}", why, "use a public https address, or copy the file and use local:"
    )
