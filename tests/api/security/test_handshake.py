"""Who connects to a front door with a certificate, and then says nothing, is not waited for."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import ClassVar

from api.handshake import HandshakeLoop
from tests.api.security.test_tls import Authority


class Hasty(HandshakeLoop):
    handshake_seconds: ClassVar[float] = 0.2


def test_a_handshake_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    certificate = Authority(tmp_path).vouch("door")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate["tls_cert"], certificate["tls_key"])

    async def come() -> bytes:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=context)
        async with server:
            said, heard = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                return await asyncio.wait_for(said.read(), 30)
            finally:
                heard.close()

    with asyncio.Runner(loop_factory=Hasty) as runner:
        assert runner.run(come()) == b""
