"""Ports that are a test's own."""

from __future__ import annotations

from random import SystemRandom

from shared.errors import PortInUse
from workers.port import claim_check

#: Below those that systems give to connections (Linux from 32,768, macOS from 49,152): a neighbour's connection would
#: take one before the server that it is for listens there, or while that is started again.
_PORTS = range(12_000, 32_000)


def own_port() -> int:
    """One that nobody uses, and that nobody is given who does not ask for it."""
    while True:
        port = SystemRandom().choice(_PORTS)
        try:
            claim_check(port)
        except PortInUse:
            continue
        return port
