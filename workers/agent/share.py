"""The agent's side of what this host lets others have: opens the port, says where it is, closes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from pydantic import SecretStr

from shared import engine_pass
from shared.settings import Settings
from shared.store import grant
from shared.store.wire import Shelf
from workers.agent.address import peer_address
from workers.agent.engine_door import EngineDoor, FindEngine
from workers.agent.peer import Blobs, PeerServer

log = structlog.get_logger()


@dataclass(frozen=True)
class Shared:
    """Where this host's models and its runs are; `None` for what is not given to others."""

    models: str | None = None
    engines: str | None = None


class Sharing:
    """This host's models for other hosts, unless the settings keep them to itself, and its runs for the front door."""

    def __init__(
        self, settings: Settings, token: SecretStr, shelf: Callable[[], Shelf], find_engine: FindEngine
    ) -> None:
        self._settings = settings
        secret = token.get_secret_value()
        self._key = grant.own_secret(secret)
        self._blobs = Blobs(shelf) if settings.share_models else None
        self._engines = EngineDoor(engine_pass.own_secret(secret), find_engine)
        self._server: PeerServer | None = None
        #: Where that listens.
        self._bound = ""

    def open(self) -> Shared:
        """Listen, and return the addresses to tell others."""
        settings = self._settings
        address = peer_address(settings)
        if address.bind != self._bound:
            # Asked before the network was up, this host had another address.
            self.close()
        if self._server is None:
            try:
                self._server = PeerServer(
                    address.bind, settings.peer_port, settings.host_name, self._key, self._blobs, self._engines
                )
            except OSError as error:
                log.warning("nothing is shared", address=address.bind, port=settings.peer_port, reason=str(error))
                return Shared()
            self._bound = address.bind
        url = address.url(self._server.port)
        return Shared(url if self._blobs is not None else None, url)

    def serve_as(self, host: str) -> None:
        """The name the fleet knows this host by: the one that grants are for."""
        if self._server is not None:
            self._server.host = host

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
