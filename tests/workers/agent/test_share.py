"""Where an agent says that it shares is where it listens."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from shared.settings import Settings
from shared.store.wire import Shelf
from workers.agent.share import Sharing


def test_a_host_that_was_up_before_its_network_listens_where_it_is_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as front_door:
        port = front_door.getsockname()[1]
        found = socket.getaddrinfo("::1", port, type=socket.SOCK_STREAM)
        settings = Settings(home=tmp_path, url=f"http://studio.invalid:{port}")
        sharing = Sharing(settings, SecretStr("token"), lambda: Shelf(models=[]), lambda *_: None)
        with closing(sharing), socket.socket(socket.AF_INET6) as caller:
            early = sharing.open()
            assert urlsplit(early.engines).hostname == "127.0.0.1"
            assert sharing.open() == early
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            later = urlsplit(sharing.open().engines)
            assert later.hostname == "::1"
            caller.connect(("::1", later.port))
