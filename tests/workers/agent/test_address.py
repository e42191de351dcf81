"""Where other hosts reach this one."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from shared.settings import Settings
from workers.agent.address import PeerAddress, peer_address


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has one address of loopback only")
def test_a_host_is_where_it_calls_the_front_door_from(tmp_path: Path) -> None:
    """Not where the way to its name begins: that name may have addresses at which nobody answers."""
    with socket.create_server(("127.0.0.2", 0)) as listener:
        url = f"http://127.0.0.2:{listener.getsockname()[1]}"
        found = peer_address(Settings(home=tmp_path, url=url))
        caller, address = listener.accept()
        caller.close()
    assert found == PeerAddress(address[0], address[0])


@pytest.mark.parametrize(
    ("settings", "address"),
    [({}, "127.0.0.1"), ({"peer_host": "192.0.2.7"}, "192.0.2.7"), ({"url": "http://127.0.0.2:9"}, "127.0.0.1")],
)
def test_a_host_has_an_address_before_the_front_door_answers(
    tmp_path: Path, settings: dict[str, str], address: str
) -> None:
    found = peer_address(Settings(home=tmp_path, **settings))
    assert found == PeerAddress(address, address)
