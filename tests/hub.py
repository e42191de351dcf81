"""A Hugging Face hub on loopback: model info, files behind redirects, ranges, and faults on demand."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_right"
_PIECE = 16384


@dataclass
class Fault:
    """What goes wrong with one answer."""

    #: Answer with this status and these headers instead.
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    #: End the connection after so many bytes of content.
    drop_after: int | None = None
    #: Send so many bytes of content, then wait until the test goes on.
    hold_after: int | None = None
    #: Promise and send one byte more than there is.
    too_long: bool = False
    corrupt: bool = False
    ignore_range: bool = False


@dataclass
class Repository:
    files: dict[str, bytes]
    commit: str
    #: Names of files kept as LFS objects: content behind a redirect, SHA-256 as ETag.
    large: tuple[str, ...]
    gated: bool = False
    private: bool = False


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    range: str | None
    if_range: str | None
    authorization: str | None


class HubServer(ThreadingHTTPServer):
    """`faults` befall the next requests for content, `info_faults` those for model info, each once and in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        #: Plain files at `/files/<name>` with their validators.
        self.files: dict[str, tuple[bytes, str | None]] = {}
        #: `/moved/<name>` redirects there.
        self.moved: dict[str, str] = {}
        self.faults: deque[Fault] = deque()
        self.info_faults: deque[Fault] = deque()
        self.seen: list[Seen] = []
        self.sent = 0
        self.holding = threading.Event()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def cdn_url(self) -> str:
        """The same server under another name: clients treat it as a stranger."""
        return f"http://localhost:{self.server_address[1]}"

    def add(self, name: str, files: dict[str, bytes], *, gated: bool = False, private: bool = False) -> Repository:
        commit = hashlib.sha1("".join(sorted(files)).encode() + b"".join(files.values())).hexdigest()
        large = tuple(file for file in files if not file.endswith((".json", ".txt", ".md")))
        self.repositories[name] = Repository(files, commit, large, gated, private)
        return self.repositories[name]

    def content_requests(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == "GET" and not seen.path.startswith("/api/")]

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._route()

    def do_GET(self) -> None:
        self._route()

    def _route(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = self.headers
        self.server.seen.append(
            Seen(self.command, path, headers["Range"], headers["If-Range"], headers["Authorization"])
        )
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._info(match[1], match[2] or "main")
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(match[1], match[2], match[3])
        elif match := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
            self._content(self.server.repositories[match[1]].files[match[2]], '"etag-of-the-cdn"')
        elif path.startswith("/files/") and path[7:] in self.server.files:
            self._content(*self.server.files[path[7:]])
        elif path.startswith("/moved/"):
            self._answer(302, {"Location": self.server.moved[path[7:]]})
        else:
            self._answer(404)

    # --- the hub -------------------------------------------------------------------------

    def _repository(self, name: str, revision: str) -> Repository | None:
        """The repository, unless it must be refused; then the answer is sent."""
        repository = self.server.repositories.get(name)
        hidden = repository is not None and repository.private and not self._authorised()
        if repository is None or hidden:
            self._answer(401, {"X-Error-Code": "RepoNotFound"})
            return None
        if revision not in ("main", repository.commit):
            self._answer(404, {"X-Error-Code": "RevisionNotFound"})
            return None
        return repository

    def _authorised(self) -> bool:
        return self.headers["Authorization"] == f"Bearer {TOKEN}"

    def _info(self, name: str, revision: str) -> None:
        if self.server.info_faults:
            fault = self.server.info_faults.popleft()
            self._answer(fault.status or 500, fault.headers)
            return
        repository = self._repository(name, revision)
        if repository is None:
            return
        siblings = [_sibling(file, content, repository) for file, content in repository.files.items()]
        body = {"id": name, "modelId": name, "sha": repository.commit, "private": False, "siblings": siblings}
        self._answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _resolve(self, name: str, revision: str, file: str) -> None:
        repository = self._repository(name, revision)
        if repository is None:
            return
        commit = {"X-Repo-Commit": repository.commit}
        if repository.gated and not self._authorised():
            self._answer(401, {"X-Error-Code": "GatedRepo", **commit})
        elif file not in repository.files:
            self._answer(404, {"X-Error-Code": "EntryNotFound", **commit})
        elif file in repository.large:
            content = repository.files[file]
            linked = {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"'}
            self._answer(302, {"Location": f"{self.server.cdn_url}/cdn/{name}/{file}?sign=secret", **commit, **linked})
        else:
            content = repository.files[file]
            self._content(content, f'"{_blob_id(content)}"', commit)

    # --- content -------------------------------------------------------------------------

    def _content(self, content: bytes, etag: str | None, extra: dict[str, str] | None = None) -> None:
        fault = self.server.faults.popleft() if self.server.faults and self.command == "GET" else Fault()
        if fault.status is not None:
            self._answer(fault.status, fault.headers)
            return
        start = 0 if fault.ignore_range or self.headers["If-Range"] not in (None, etag) else self._start()
        headers = {**(extra or {}), **({"ETag": etag} if etag else {}), "Accept-Ranges": "bytes"}
        if start >= len(content) > 0:
            self._answer(416, {**headers, "Content-Range": f"bytes */{len(content)}"})
            return
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if fault.corrupt:
            body = bytes([body[0] ^ 1]) + body[1:] if start else body[:-1] + bytes([body[-1] ^ 1])
        self._head(206 if start else 200, headers, len(body) + fault.too_long)
        if self.command == "GET":
            self._send(body + b"!" * fault.too_long, fault)

    def _start(self) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        return int(match[1]) if match else 0

    def _send(self, body: bytes, fault: Fault) -> None:
        ends = [end for end in (fault.drop_after, fault.hold_after) if end is not None]
        self._pour(body[: min(ends, default=len(body))])
        if fault.hold_after is not None:
            self.server.holding.set()
            self.server.released.wait(60)
            self._pour(body[fault.hold_after :])
        if fault.drop_after is not None:
            self.close_connection = True

    def _pour(self, body: bytes) -> None:
        for start in range(0, len(body), _PIECE):
            self.wfile.write(body[start : start + _PIECE])
            self.server.sent += len(body[start : start + _PIECE])

    def _answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self._head(status, headers or {}, len(body))
        if self.command == "GET":
            self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _sibling(name: str, content: bytes, repository: Repository) -> dict[str, Any]:
    entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": _blob_id(content)}
    if name in repository.large:
        entry["lfs"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 135}
    return entry
