"""What the loopback hub answers to each address: the routes of the real one, and its refusals."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from tests.hub_content import Body, Content, blob_id, sha256, size_of
from tests.hub_fault import Fault
from tests.hub_search import listing

if TYPE_CHECKING:
    from tests.hub import HubServer, Repository

TOKEN = "hf_right"
SIGNATURE = "signed-and-secret"
_HOUR = 3600


class Handler(BaseHTTPRequestHandler):
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
        self.server.see(self.command, path, headers["Range"], headers["If-Range"], headers["Authorization"])
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
        if self._is_faulty():
            return
        repository = self._repository(name, revision or "main")
        if repository is None:
            return
        siblings = [_sibling(file, content, repository) for file, content in repository.files.items()]
        body = {"id": name, "modelId": name, "sha": repository.commit, "private": False, "siblings": siblings}
        self._answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _is_faulty(self) -> bool:
        """Whether a fault befalls this request; then the answer is sent."""
        if not self.server.info_faults:
            return False
        fault = self.server.info_faults.popleft()
        self._answer(fault.status or 500, fault.headers)
        return True

    def _search(self) -> None:
        if self._is_faulty():
            return
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
    "/api/models": Handler._search,
    rf"/api/models/{_REPOSITORY}/xet-read-token/([^/]+)": Handler._xet_token,
    rf"/api/models/{_REPOSITORY}/tree/([^/]+)": Handler._tree,
    rf"/api/models/{_REPOSITORY}(?:/revision/(.+))?": Handler._info,
    rf"/{_REPOSITORY}/resolve/([^/]+)/(.+)": Handler._resolve,
    rf"/api/resolve-cache/models/{_REPOSITORY}/([^/]+)/(.+)": Handler._small,
    rf"/cdn/{_REPOSITORY}/(.+)": Handler._cdn,
    "/files/(.+)": Handler._file,
    "/moved/(.+)": Handler._moved,
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
