"""A name that is public when it is looked at, and this machine when it is connected to, reaches nothing."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.downloads.addresses import guard_peer, guard_web
from shared.downloads.digest import sha256
from shared.downloads.interrupt import Interrupt
from shared.downloads.meter import Meter
from shared.downloads.partial import opened
from shared.downloads.transfer import Remote, receive
from shared.errors import CidermillError, DownloadFailed, InvalidInput

_NAME = "rebind.example"
_SECRET = b"GGUF only this machine may read this"


class _Inside(BaseHTTPRequestHandler):
    """What listens on loopback and trusts whoever reaches it."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(_SECRET)))
        self.end_headers()
        self.wfile.write(_SECRET)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@dataclass
class Inside:
    """A server of this machine with a certificate for the name, as an attacker who owns the name could have one."""

    port: int
    certificate: Path
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    named = ["-days", "2", "-subj", f"/CN={_NAME}", "-addext", f"subjectAltName=DNS:{_NAME}"]
    command = [*made, *named, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Inside) as server:
        server.asked = []  # type: ignore[attr-defined]
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Inside(server.server_port, certificate, server.asked)  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.fixture
def meanings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the name means, look-up by look-up; the last stays."""
    said = ["93.184.215.14", "127.0.0.1"]
    resolve = socket.getaddrinfo

    def scripted(host: Any, *args: Any, **more: Any) -> Any:
        if host not in (_NAME, _NAME.encode()):
            return resolve(host, *args, **more)
        return resolve(said.pop(0) if len(said) > 1 else said[0], *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", scripted)
    return said


def fetch(folder: Path, url: str, verify: ssl.SSLContext | bool = True) -> Path:
    """One try at the file, as `url:` models are fetched; where its bytes would be."""
    growing, interrupt = folder / "growing", Interrupt()
    remote = Remote(
        url, "m.gguf", guard=partial(guard_web, loopback=False), guard_peer=partial(guard_peer, loopback=False)
    )
    with (
        httpx2.Client(verify=verify, trust_env=False) as client,
        opened(growing, folder / "whole", sha256, interrupt) as file,
    ):
        assert file is not None
        receive(client, remote, file, Meter(None), interrupt)
    return growing


def test_not_a_byte_is_kept_of_what_a_rebound_name_reaches(tmp_path: Path, inside: Inside, meanings: list[str]) -> None:
    trusting = ssl.create_default_context(cafile=inside.certificate)
    with pytest.raises(InvalidInput, match=r"not public|Nothing may be downloaded"):
        fetch(tmp_path, f"https://{_NAME}:{inside.port}/m.gguf", trusting)
    assert meanings == ["127.0.0.1"], "it was public when it was looked at"
    assert not any(_SECRET[:8] in path.read_bytes() for path in tmp_path.glob("*growing*"))


def test_what_has_no_certificate_for_the_name_is_not_even_asked(
    tmp_path: Path, inside: Inside, meanings: list[str]
) -> None:
    with pytest.raises(DownloadFailed, match=r"(?i)m\.gguf"):
        fetch(tmp_path, f"https://{_NAME}:{inside.port}/m.gguf")
    assert (meanings, inside.asked) == (["127.0.0.1"], [])


def test_a_name_of_this_machine_is_not_asked(tmp_path: Path, inside: Inside, meanings: list[str]) -> None:
    del meanings[0]
    with pytest.raises(CidermillError, match="Nothing may be downloaded"):
        fetch(tmp_path, f"https://{_NAME}:{inside.port}/m.gguf")
    assert inside.asked == []
