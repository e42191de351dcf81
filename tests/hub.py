"""A Hugging Face hub on loopback that behaves as the real one, with faults on demand.

Model info at `/api/models/…`; small files behind a relative redirect with their Git name as ETag; large ones behind a
redirect to a signed address on another host (`localhost` instead of `127.0.0.1`, so that clients take it for a
stranger), with `X-Linked-Size` and `X-Linked-ETag`; files of the Xet store with `X-Xet-Hash` and a token route.
Private, gated and missing repositories are told apart by status and `X-Error-Code`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from tests.hub_content import Body, Content, blob_id, sha256, size_of
from tests.hub_fault import Fault
from tests.hub_search import listing

__all__ = ["TOKEN", "Fault", "HubServer", "Repository", "Seen", "running_hub"]

TOKEN = "hf_right"
SIGNATURE = "signed-and-secret"
_HOUR = 3600
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
    """`faults` befall the next requests for content, `info_faults` those for model info, each once and in order.

    `always` befalls every request for content that no fault of the queue befell.
    """

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
        self.always = Fault()
        #: Called at each request for content, before it is answered.
        self.asked: Callable[[], None] = lambda: None
        #: Bytes a second of one answer; `None`: as fast as it goes.
        self.speed: int | None = None
        #: Where tokens for the Xet store are said to be; unset: here.
        self.xet_tokens_at: str | None = None
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

    def add(self, name: str, files: dict[str, Any], *, gated: bool = False, private: bool = False) -> Repository:
        """Publish `files`, bytes or paths of files, as the head of `main`."""
        known = "".join(f"{file}{sha256(content)}" for file, content in sorted(files.items()))
        commit = hashlib.sha1(known.encode()).hexdigest()
        large = tuple(file for file in files if not file.endswith((".json", ".txt", ".md")))
        self.repositories[name] = Repository(files, commit, large, gated, private)
        return self.repositories[name]

    def content_requests(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == "GET" and not seen.path.startswith("/api/models/")]

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
        for pattern, answer in _ROUTES.items():
            if match := re.fullmatch(pattern, path):
                answer(self, *match.groups())
                return
        self._answer(404)

    # --- the hub -------------------------------------------------------------------------

    def _repository(self, name: str, revision: str) -> Repository | None:
        """The repository, unless it must be refused; then the answer is sent."""
        repository = self.server.repositories.get(name)
        hidden = repository is not None and repository.private and not self._authorised()
        if repository is None or hidden:
            self._answer(404 if self._authorised() else 401, {"X-Error-Code": "RepoNotFound"})
            return None
        if revision not in ("main", repository.commit, *repository.refs):
            self._answer(404, {"X-Error-Code": "RevisionNotFound"})
            return None
        return repository

    def _authorised(self) -> bool:
        return self.headers["Authorization"] == f"Bearer {TOKEN}"

    def _info(self, name: str, revision: str | None) -> None:
        if self.server.info_faults:
            fault = self.server.info_faults.popleft()
            self._answer(fault.status or 500, fault.headers)
            return
        repository = self._repository(name, revision or "main")
        if repository is None:
            return
        siblings = [_sibling(file, content, repository) for file, content in repository.files.items()]
        body = {"id": name, "modelId": name, "sha": repository.commit, "private": False, "siblings": siblings}
        self._answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _search(self) -> None:
        self._answer(200, {"Content-Type": "application/json"}, listing(self.server.repositories, self.path))

    def _tree(self, name: str, revision: str) -> None:
        repository = self._repository(name, revision)
        if repository is not None:
            entries = [_entry(file, content, repository) for file, content in repository.files.items()]
            self._answer(200, {"Content-Type": "application/json"}, json.dumps(entries).encode())

    def _resolve(self, name: str, revision: str, file: str) -> None:
        repository = self._repository(name, revision)
        if repository is None:
            return
        commit = {"X-Repo-Commit": repository.commit}
        if repository.closed or (repository.gated and not self._authorised()):
            status = 403 if self.headers["Authorization"] else 401
            self._answer(status, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted.", **commit})
        elif file not in repository.files:
            self._answer(404, {"X-Error-Code": "EntryNotFound", **commit})
        else:
            self._redirect(name, file, repository, commit)

    def _redirect(self, name: str, file: str, repository: Repository, headers: dict[str, str]) -> None:
        content = repository.files[file]
        large = file in repository.large
        etag = sha256(content) if large else blob_id(content)
        fault = self.server.faults[0] if self.server.faults else self.server.always
        headers |= {"X-Linked-Size": str(size_of(content)), "X-Linked-ETag": f'"{fault.linked_etag or etag}"'}
        if fault.linked_etag and self.server.faults and self.command == "GET":
            self.server.faults.popleft()
        if not large:
            place = f"/api/resolve-cache/models/{name}/{repository.commit}/{quote(file)}"
            self._answer(307, {"Location": place, "ETag": headers["X-Linked-ETag"], **headers})
            return
        if file in repository.xet:
            token = (
                f"{self.server.xet_tokens_at or self.server.url}/api/models/{name}/xet-read-token/{repository.commit}"
            )
            headers |= {"X-Xet-Hash": repository.xet[file], "Link": f'<{token}>; rel="xet-auth"'}
        place = f"{self.server.cdn_url}/cdn/{name}/{quote(file)}?sign={SIGNATURE}"
        self._answer(302, {"Location": place, **headers})

    def _xet_token(self, name: str, revision: str) -> None:
        repository = self._repository(name, revision)
        if repository is None:
            return
        facts = {"accessToken": "xet_token", "exp": int(time.time()) + _HOUR, "casUrl": repository.xet_store}
        headers = {"Access-Token": facts["accessToken"], "Token-Expiration": facts["exp"], "Cas-Url": facts["casUrl"]}
        body = json.dumps(facts).encode()
        self._answer(200, {f"X-Xet-{key}": str(value) for key, value in headers.items()}, body)

    # --- content -------------------------------------------------------------------------

    def _small(self, name: str, revision: str, file: str) -> None:
        repository = self._repository(name, revision)
        if repository is not None:
            content = repository.files[file]
            self._content(content, f'"{blob_id(content)}"', {"X-Repo-Commit": repository.commit})

    def _cdn(self, name: str, file: str) -> None:
        if self.headers["Authorization"] or SIGNATURE not in urlsplit(self.path).query:
            self._answer(400)
            return
        self._content(self.server.repositories[name].files[file], '"etag-of-the-cdn"')

    def _file(self, name: str) -> None:
        if name in self.server.files:
            self._content(*self.server.files[name])
        else:
            self._answer(404)

    def _moved(self, name: str) -> None:
        self._answer(302, {"Location": self.server.moved[name]})

    def _content(self, content: Content, etag: str | None, extra: dict[str, str] | None = None) -> None:
        fault = self.server.next_fault() if self.command == "GET" else Fault()
        self.server.asked()
        if fault.status is not None:
            self._answer(fault.status, fault.headers)
            return
        if fault.instead is not None:
            content, etag = fault.instead, f'"{blob_id(fault.instead)}"'
        size = size_of(content)
        start, end = self._asked_for(size, etag) if not fault.ignore_range else (None, size)
        headers = {**(extra or {}), **({"ETag": etag} if etag else {}), "Accept-Ranges": "bytes"}
        if start is not None and start >= size:
            self._answer(416, {**headers, "Content-Range": f"bytes */{size}"})
            return
        partial, begin = start is not None, min((start or 0) + fault.shift, size)
        if partial:
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
        self._head(206 if partial else 200, headers, end - begin + fault.length_off)
        if self.command == "GET":
            self.close_connection = not Body(self.server, self.wfile, self.connection, fault).send(content, begin, end)

    def _asked_for(self, size: int, etag: str | None) -> tuple[int | None, int]:
        """First byte and end of the range; `None` when all is wanted."""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
        if match is None or self.headers["If-Range"] not in (None, etag):
            return None, size
        return int(match[1]), min(size, int(match[2]) + 1) if match[2] else size

    def _answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self._head(status, headers or {}, len(body))
        if self.command == "GET":
            self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()


_REPOSITORY = "([^/]+/[^/]+)"
_ROUTES: dict[str, Callable[..., None]] = {
    "/api/models": _Handler._search,
    rf"/api/models/{_REPOSITORY}/xet-read-token/([^/]+)": _Handler._xet_token,
    rf"/api/models/{_REPOSITORY}/tree/([^/]+)": _Handler._tree,
    rf"/api/models/{_REPOSITORY}(?:/revision/(.+))?": _Handler._info,
    rf"/{_REPOSITORY}/resolve/([^/]+)/(.+)": _Handler._resolve,
    rf"/api/resolve-cache/models/{_REPOSITORY}/([^/]+)/(.+)": _Handler._small,
    rf"/cdn/{_REPOSITORY}/(.+)": _Handler._cdn,
    "/files/(.+)": _Handler._file,
    "/moved/(.+)": _Handler._moved,
}


def _sibling(name: str, content: Content, repository: Repository) -> dict[str, Any]:
    entry: dict[str, Any] = {"rfilename": name, "size": size_of(content), "blobId": blob_id(content)}
    if name in repository.large:
        entry["lfs"] = {"size": size_of(content), "sha256": sha256(content), "pointerSize": 135}
    return entry


def _entry(name: str, content: Content, repository: Repository) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": name, "size": size_of(content), "oid": blob_id(content)}
    if name in repository.large:
        entry["lfs"] = {"oid": sha256(content), "size": size_of(content), "pointerSize": 135}
    return entry | ({"xetHash": repository.xet[name]} if name in repository.xet else {})


def publish(name: str, folder: Path) -> None:
    """Serve a folder as one repository until the process is ended; prints the hub's address."""
    with running_hub() as hub:
        hub.add(name, {path.name: _loaded(path) for path in sorted(folder.iterdir())})
        print(hub.url, flush=True)
        threading.Event().wait()


def _loaded(path: Path) -> Content:
    """Small files in memory, where faults can befall them; large ones stay where they are."""
    return path.read_bytes() if path.stat().st_size < _SMALL else path
