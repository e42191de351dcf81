"""A Hugging Face hub on loopback that behaves as the real one, with faults on demand.

Model info at `/api/models/…`; small files behind a relative redirect with their Git name as ETag; large ones behind a
redirect to a signed address on another host (`localhost` instead of `127.0.0.1`, so that clients take it for a
stranger), with `X-Linked-Size` and `X-Linked-ETag`; files of the Xet store with `X-Xet-Hash` and a token route.
Private, gated and missing repositories are told apart by status and `X-Error-Code`.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.hub_answers import SIGNATURE, TOKEN, Handler
from tests.hub_content import Content, sha256
from tests.hub_fault import Fault

__all__ = ["SIGNATURE", "TOKEN", "Fault", "HubServer", "Repository", "Seen", "running_hub"]

#: Bytes up to which a published file is read into memory.
_SMALL = 1 << 20


@dataclass
class Repository:
    files: dict[str, Content]
    commit: str
    #: Names of files kept as LFS objects: content behind a redirect, SHA-256 as ETag.
    large: tuple[str, ...]
    gated: bool = False
    private: bool = False
    #: Gated, and nobody has accepted its licence yet.
    closed: bool = False
    #: Xet hashes by file name, and the address of the store that has them.
    xet: dict[str, str] = field(default_factory=dict)
    xet_store: str = ""
    #: Branches and tags beside `main`.
    refs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    range: str | None
    if_range: str | None
    authorization: str | None


class HubServer(ThreadingHTTPServer):
    """`faults` befall the next requests for content, `info_faults` those for model info and lists, each once, in order.

    `always` befalls every request for content that no fault of the queue befell.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        #: Plain files at `/files/<name>` with their validators.
        self.files: dict[str, tuple[bytes, str | None]] = {}
        #: `/moved/<name>` redirects there.
        self.moved: dict[str, str] = {}
        self.faults: deque[Fault] = deque()
        self.info_faults: deque[Fault] = deque()
        self.always = Fault()
        #: Called at each request for content, before it is answered.
        self.asked: Callable[[], None] = lambda: None
        #: Bytes a second of one answer; `None`: as fast as it goes.
        self.speed: int | None = None
        #: Where tokens for the Xet store are said to be; unset: here.
        self.xet_tokens_at: str | None = None
        self.seen: list[Seen] = []
        self.sent = 0
        self._counting = threading.Lock()
        self.holding = threading.Event()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def cdn_url(self) -> str:
        """The same server under another name: clients treat it as a stranger."""
        return f"http://localhost:{self.server_address[1]}"

    def add(self, name: str, files: dict[str, Any], *, gated: bool = False, private: bool = False) -> Repository:
        """Publish `files`, bytes or paths of files, as the head of `main`."""
        known = "".join(f"{file}{sha256(content)}" for file, content in sorted(files.items()))
        commit = hashlib.sha1(known.encode()).hexdigest()
        large = tuple(file for file in files if not file.endswith((".json", ".txt", ".md")))
        self.repositories[name] = Repository(files, commit, large, gated, private)
        return self.repositories[name]

    def content_requests(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == "GET" and not seen.path.startswith("/api/models/")]

    def see(self, *facts: str | None) -> None:
        """Remember a request: method, path, and the headers `Seen` names."""
        method, path, *headers = facts
        self.seen.append(Seen(method or "", path or "", *headers))

    def count(self, sent: int) -> None:
        """Bytes of content go out; of several answers at once none is lost."""
        with self._counting:
            self.sent += sent

    def next_fault(self) -> Fault:
        return self.faults.popleft() if self.faults else self.always

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what these tests are about."""


@contextlib.contextmanager
def running_hub() -> Iterator[HubServer]:
    hub = HubServer()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        hub.shutdown()
        hub.server_close()
        thread.join()


def publish(name: str, folder: Path) -> None:
    """Serve a folder as one repository until the process is ended; prints the hub's address."""
    with running_hub() as hub:
        hub.add(name, {path.name: _loaded(path) for path in sorted(folder.iterdir())})
        print(hub.url, flush=True)
        threading.Event().wait()


def _loaded(path: Path) -> Content:
    """Small files in memory, where faults can befall them; large ones stay where they are."""
    return path.read_bytes() if path.stat().st_size < _SMALL else path
