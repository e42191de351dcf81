"""A name that is public when it is looked at, and this machine when it is connected to, reaches nothing here."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.downloads.digest import sha256
from shared.downloads.interrupt import Interrupt
from shared.downloads.meter import Meter
from shared.downloads.partial import opened
from shared.downloads.transfer import Remote, receive
from shared.downloads.web import web_client
from shared.errors import CidermillError, DownloadFailed, InvalidInput

_NAME = "rebind.example"
_PUBLIC, _ALSO_PUBLIC = "93.184.215.14", "93.184.215.15"
_MODEL = b"GGUF for everybody"
_Meanings = dict[str, list[list[str]]]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.headers["Host"])  # type: ignore[attr-defined]
        moved = self.path.removeprefix("/to/") if self.path.startswith("/to/") else None
        self.send_response(302 if moved else 200)
        if moved:
            self.send_header("Location", moved)
        self.send_header("Content-Length", "0" if moved else str(len(_MODEL)))
        self.end_headers()
        if not moved:
            self.wfile.write(_MODEL)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@dataclass
class Site:
    """A server with a certificate for the name, as an attacker who owns the name could have one."""

    port: int
    certificate: Path
    #: The names it was asked by: in TLS, and in each request.
    greeted: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def client(self, *, loopback: bool = False) -> httpx2.Client:
        return web_client(loopback=loopback, verify=ssl.create_default_context(cafile=self.certificate))


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    named = ["-days", "2", "-subj", f"/CN={_NAME}", "-addext", f"subjectAltName=DNS:{_NAME}"]
    command = [*made, *named, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        site = Site(server.server_port, certificate)
        server.asked = site.asked  # type: ignore[attr-defined]
        context.sni_callback = lambda _, name, __: site.greeted.append(name)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path) as served:
        yield served


@pytest.fixture
def meanings(monkeypatch: pytest.MonkeyPatch) -> _Meanings:
    """What names mean, look-up by look-up; the last stays."""
    said: _Meanings = {_NAME: [[_PUBLIC], ["127.0.0.1"]]}
    resolve = socket.getaddrinfo

    def scripted(host: Any, *args: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in said:
            return resolve(host, *args, **more)
        turns = said[name]
        found = turns.pop(0) if len(turns) > 1 else turns[0]
        return [answer for each in found for answer in resolve(each, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", scripted)
    return said


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that connections were made to; behind the first public one of them is this machine, as a stage."""
    seen: list[str] = []
    connect = socket.create_connection

    def staged(address: tuple[str, int], *args: Any, **more: Any) -> socket.socket:
        seen.append(address[0])
        if address[0] == _ALSO_PUBLIC:
            raise ConnectionRefusedError("nobody is there")
        return connect(("127.0.0.1", address[1]) if address[0] == _PUBLIC else address, *args, **more)

    monkeypatch.setattr(socket, "create_connection", staged)
    return seen


def fetch(folder: Path, url: str, client: httpx2.Client) -> bytes:
    """One try at the file, as `url:` models are fetched; what came."""
    growing, interrupt = folder / "growing", Interrupt()
    with client, opened(growing, folder / "whole", sha256, interrupt) as file:
        assert file is not None
        receive(client, Remote(url, "m.gguf"), file, Meter(None), interrupt)
    return growing.read_bytes()


def test_the_address_that_was_looked_at_is_the_one_asked_by_its_name(
    tmp_path: Path, site: Site, meanings: _Meanings, connected: list[str]
) -> None:
    address = f"https://{_NAME}:{site.port}/m.gguf"
    assert fetch(tmp_path, address, site.client()) == _MODEL
    assert connected == [_PUBLIC], "though the name meant this machine by then"
    assert (site.greeted, site.asked) == ([_NAME], [f"{_NAME}:{site.port}"])


def test_a_name_of_this_machine_is_not_asked(
    tmp_path: Path, site: Site, meanings: _Meanings, connected: list[str]
) -> None:
    del meanings[_NAME][0]
    with pytest.raises(CidermillError, match="Nothing may be downloaded"):
        fetch(tmp_path, f"https://{_NAME}:{site.port}/m.gguf", site.client())
    assert (connected, site.asked) == ([], [])


def test_a_name_that_means_a_public_address_and_this_machine_is_not_asked(
    tmp_path: Path, site: Site, meanings: _Meanings, connected: list[str]
) -> None:
    meanings[_NAME] = [[_PUBLIC, "127.0.0.1"]]
    with pytest.raises(InvalidInput, match="Nothing may be downloaded"):
        fetch(tmp_path, f"https://{_NAME}:{site.port}/m.gguf", site.client())
    assert connected == []


@pytest.mark.parametrize(
    "target",
    ["https://rebind.example:{port}/m.gguf", "https://127.0.0.1:{port}/m", "http://[::1]:{port}/", "file:///m"],
)
def test_a_redirect_leads_to_no_address_that_may_not_be_asked(
    tmp_path: Path, site: Site, meanings: _Meanings, connected: list[str], target: str
) -> None:
    with pytest.raises(CidermillError):
        fetch(tmp_path, f"https://{_NAME}:{site.port}/to/{target.format(port=site.port)}", site.client())
    assert connected == [_PUBLIC]
    assert len(site.asked) == 1


def test_what_has_no_certificate_for_the_name_is_not_even_asked(
    tmp_path: Path, site: Site, meanings: _Meanings, connected: list[str]
) -> None:
    with pytest.raises(DownloadFailed, match=r"(?i)m\.gguf"):
        fetch(tmp_path, f"https://{_NAME}:{site.port}/m.gguf", web_client(loopback=False))
    assert (connected, site.asked) == ([_PUBLIC], [])


def test_another_name_at_the_same_address_shows_a_certificate_of_its_own(
    tmp_path: Path, site: Site, meanings: _Meanings, connected: list[str]
) -> None:
    meanings |= {_NAME: [[_PUBLIC]], "other.example": [[_PUBLIC]]}
    with site.client() as client:
        assert client.get(f"https://{_NAME}:{site.port}/").content == _MODEL
        with pytest.raises(httpx2.ConnectError, match=r"other\.example"):
            client.get(f"https://other.example:{site.port}/")
    assert site.asked == [f"{_NAME}:{site.port}"]


def test_of_several_addresses_the_next_is_asked_when_one_does_not_answer(
    tmp_path: Path, site: Site, meanings: _Meanings, connected: list[str]
) -> None:
    meanings[_NAME] = [[_ALSO_PUBLIC, _PUBLIC]]
    assert fetch(tmp_path, f"https://{_NAME}:{site.port}/m.gguf", site.client()) == _MODEL
    assert connected == [_ALSO_PUBLIC, _PUBLIC]
