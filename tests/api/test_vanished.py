"""Clients that go without a word."""

from __future__ import annotations

import socket
import sys

import pytest

from api.main import _listen
from shared.settings import Settings


@pytest.mark.skipif(sys.platform != "linux", reason="macOS names these options otherwise, and Python does not")
def test_the_systems_silence_ends_a_connection_within_a_minute() -> None:
    with _listen(Settings(port=0), 1) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            told = [
                connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            ]
    assert told == [1, 30, 10, 3, 60_000]
