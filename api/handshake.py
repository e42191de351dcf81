"""How long a new connection may take to agree on TLS: no longer than on the head of its first request.

asyncio waits for a minute, and uvicorn does not tell it otherwise.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from api.patience import PatientProtocol


class HandshakeLoop(asyncio.SelectorEventLoop):
    """The event loop of a front door."""

    handshake_seconds: ClassVar[float] = PatientProtocol.head_seconds

    async def create_server(self, *args: Any, **more: Any) -> asyncio.Server:
        if more.get("ssl") is not None:
            more["ssl_handshake_timeout"] = self.handshake_seconds
        return await super().create_server(*args, **more)
