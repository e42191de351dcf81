"""The agent's side of sharing models: opens the port, says where it is, closes it."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from pydantic import SecretStr

from shared.settings import Settings
from shared.store import grant
from shared.store.wire import Shelf
from workers.agent.address import peer_address
from workers.agent.peer import Blobs, PeerServer

log = structlog.get_logger()


class Sharing:
    """This host's models for other hosts, unless the settings keep them to itself."""

    def __init__(self, settings: Settings, token: SecretStr, shelf: Callable[[], Shelf]) -> None:
        self._settings = settings
        self._key = grant.own_secret(token.get_secret_value())
        self._blobs = Blobs(shelf)
        self._server: PeerServer | None = None

    def open(self) -> str | None:
        """Listen, and return the address to tell others; `None` when nothing is served."""
        settings = self._settings
        if not settings.share_models:
            return None
        address = peer_address(settings)
        if self._server is None:
            try:
                self._server = PeerServer(address.bind, settings.peer_port, settings.host_name, self._key, self._blobs)
            except OSError as error:
                log.warning("models are not shared", address=address.bind, port=settings.peer_port, reason=str(error))
                return None
        return address.url(self._server.port)

    def serve_as(self, host: str) -> None:
        """The name the fleet knows this host by: the one that grants are for."""
        if self._server is not None:
            self._server.host = host

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
