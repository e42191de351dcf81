"""The front door's port, settled before anything starts, so that a used one is said clearly."""

from __future__ import annotations

import socket

from shared.errors import ConfigError


def settle_port(host: str, port: int) -> int:
    """`port` if it is free on `host`, a free one for 0. Raises ConfigError when it is taken or cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: a port whose old connections are still dying is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"The front door cannot listen on {host}:{port}",
                f"{error.strerror or error}".lower(),
                f"stop what uses it, or choose another port: cidermill up --port {port + 1 if port < 65535 else 0}",
            ) from error
        return int(probe.getsockname()[1])
