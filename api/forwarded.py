"""For whom a proxy on this machine speaks, as far as it says so; to us it is a neighbour like any other."""

from __future__ import annotations

import re
from ipaddress import ip_address

from starlette.datastructures import Headers

_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip")
_PORT = re.compile(r"(?<=[\].\w]):\d+$")


def stranger(headers: Headers) -> str | None:
    """The first that is named and not on this machine; `None` also when nobody is named."""
    for part in re.split(r"[,;\s]+", ",".join(value for name in _HEADERS for value in headers.getlist(name))):
        name, _, value = part.rpartition("=")
        if value and name.lower() in ("", "for") and not _is_here(value.strip('"')):
            return value[:64]
    return None


def _is_here(node: str) -> bool:
    """An address of loopback, with or without a port; `unknown` is none."""
    bare = node if node.count(":") > 1 and not node.startswith("[") else _PORT.sub("", node)
    try:
        address = ip_address(bare.strip("[]"))
    except ValueError:
        return bare == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
