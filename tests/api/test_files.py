"""Files: in, out, in part."""

from __future__ import annotations

import hashlib
import json
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from shared import files
from shared.files import CHUNK, Sink
from shared.tables import File
from tests.api.served import Served

CONTENT = bytes(range(256)) * 8192


@pytest.fixture
def stored(door: Served) -> dict[str, Any]:
    answer = door.client.post(
        "/v1/files", data={"purpose": "batch"}, files={"file": ("../../ödd name.bin", CONTENT, "text/html")}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_file_comes_back_as_it_was_sent(door: Served, stored: dict[str, Any]) -> None:
    assert stored["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (stored["object"], stored["bytes"], stored["purpose"]) == ("file", len(CONTENT), "batch")
    assert stored["filename"] == "ödd name.bin"
    answer = door.get(f"/v1/files/{stored['id']}/content")
    assert answer.content == CONTENT
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert door.get(f"/v1/files/{stored['id']}").json() == stored


@pytest.mark.parametrize(
    ("asked", "start", "end"), [("bytes=0-9", 0, 10), ("bytes=2000000-", 2000000, None), ("bytes=-7", -7, None)]
)
def test_a_part_of_a_file_can_be_asked_for(
    door: Served, stored: dict[str, Any], asked: str, start: int, end: int | None
) -> None:
    answer = door.get(f"/v1/files/{stored['id']}/content", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    assert answer.headers["content-range"].endswith(f"/{len(CONTENT)}")


def test_a_part_that_does_not_exist_is_refused(door: Served, stored: dict[str, Any]) -> None:
    answer = door.get(f"/v1/files/{stored['id']}/content", headers={"Range": f"bytes={len(CONTENT)}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(CONTENT)}")


def test_a_file_that_is_known_is_not_sent_again(door: Served, stored: dict[str, Any]) -> None:
    path = f"/v1/files/{stored['id']}/content"
    etag = door.get(path).headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", W/"x",{etag}', "*"):
        answer = door.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag), known
    assert door.get(path, headers={"If-None-Match": '"other", W/"x"'}).content == CONTENT
    changed = door.get(path, headers={"Range": "bytes=0-1", "If-Range": '"older"'})
    assert (changed.status_code, len(changed.content)) == (200, len(CONTENT))


def test_the_head_of_a_file_is_told_without_its_bytes(door: Served, stored: dict[str, Any], tmp_path: Path) -> None:
    path = f"/v1/files/{stored['id']}/content"
    whole = door.get(path)
    head = door.client.head(path, headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.content) == (200, b"")
    told = ("content-length", "content-type", "content-disposition", "etag", "accept-ranges")
    assert [head.headers[name] for name in told] == [whole.headers[name] for name in told]
    assert door.client.head(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    for kept in (tmp_path / "data" / "files").rglob("file_*"):
        kept.unlink()
    assert door.client.head(path).status_code == 404


def test_a_deleted_file_is_gone_with_its_bytes(door: Served, stored: dict[str, Any], tmp_path: Path) -> None:
    assert door.client.delete(f"/v1/files/{stored['id']}").json()["deleted"] is True
    assert door.get(f"/v1/files/{stored['id']}/content").status_code == 404
    assert not list((tmp_path / "data" / "files").rglob("file_*"))


def test_bytes_that_are_gone_say_so(door: Served, stored: dict[str, Any], tmp_path: Path) -> None:
    for path in (tmp_path / "data" / "files").rglob("file_*"):
        path.unlink()
    answer = door.get(f"/v1/files/{stored['id']}/content")
    assert (answer.status_code, answer.json()["error"]["fix"]) == (404, "upload it again")


def test_files_are_listed_as_openai_lists_them(door: Served, stored: dict[str, Any]) -> None:
    other = door.client.post("/v1/files", files={"file": ("b.wav", b"RIFF")}).json()
    page = door.get("/v1/files", params={"limit": 1}).json()
    assert (page["object"], [f["id"] for f in page["data"]], page["has_more"]) == ("list", [other["id"]], True)
    rest = door.get("/v1/files", params={"after": page["last_id"]}).json()
    assert [f["id"] for f in rest["data"]] == [stored["id"]]
    assert [f["id"] for f in door.get("/v1/files?purpose=batch").json()["data"]] == [stored["id"]]
    oldest = door.get("/v1/files", params={"order": "asc", "limit": 10_000}).json()
    assert [f["id"] for f in oldest["data"]] == [stored["id"], other["id"]]
    rest = door.get("/v1/files", params={"order": "asc", "after": stored["id"]}).json()
    assert [f["id"] for f in rest["data"]] == [other["id"]]


@pytest.mark.parametrize("purpose", ["A B", "../x", "x" * 40])
def test_a_purpose_is_one_word(door: Served, purpose: str) -> None:
    answer = door.client.post("/v1/files", data={"purpose": purpose}, files={"file": ("a", b"x")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "purpose")


_HOUR = {"anchor": "created_at", "seconds": 3600}


@pytest.mark.parametrize(
    "form",
    [
        {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"},
        {"expires_after": json.dumps(_HOUR)},
    ],
)
def test_a_file_that_shall_expire_tells_when(door: Served, form: dict[str, str]) -> None:
    made = door.client.post("/v1/files", data=form, files={"file": ("a", b"x")}).json()
    assert made["expires_at"] == made["created_at"] + 3600
    assert door.get(f"/v1/files/{made['id']}").json() == made


def test_a_file_that_nobody_wants_to_expire_stays(stored: dict[str, Any]) -> None:
    assert stored["expires_at"] is None


def test_a_file_is_gone_for_its_readers_the_moment_it_expires(door: Served, stored: dict[str, Any]) -> None:
    with door.database.write() as session:
        session.get_one(File, stored["id"]).expires_at = 1.0
    for path in (f"/v1/files/{stored['id']}", f"/v1/files/{stored['id']}/content"):
        assert (door.get(path).status_code, door.get(path).json()["error"]["code"]) == (404, "not_found")
    assert door.client.delete(f"/v1/files/{stored['id']}").status_code == 404
    assert door.get("/v1/files").json()["data"] == []
    batch = door.post("/v1/batches", {"input_file_id": stored["id"], "endpoint": "/v1/chat/completions"})
    assert batch.status_code == 404


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"expires_after": "tomorrow"}, "expires_after"),
        ({"expires_after": "3600"}, "expires_after"),
        ({"expires_after[anchor]": "created_at"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "2592001"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "1e9"}, "expires_after.seconds"),
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "last_used_at", "expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after": json.dumps(_HOUR | {"seconds": 1.5})}, "expires_after.seconds"),
    ],
)
def test_an_expiry_that_cannot_be_kept_is_explained(door: Served, form: dict[str, str], param: str) -> None:
    refused = door.client.post("/v1/files", data=form, files={"file": ("a", b"x")})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert door.get("/v1/files").json()["data"] == []


def test_a_long_copy_gives_way_to_others_at_each_piece(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread is given to do has its own context."""
    copied: ContextVar[int] = ContextVar("copied", default=0)
    before: list[int] = []
    write = Sink.write

    def counted(sink: Sink, piece: bytes) -> None:
        before.append(copied.get())
        copied.set(copied.get() + 1)
        write(sink, piece)

    monkeypatch.setattr(Sink, "write", counted)
    assert door.client.post("/v1/files", files={"file": ("a", bytes(3 * CHUNK))}).status_code == 200
    assert before == [0] * 4, "the end comes with none"


@pytest.mark.parametrize("path", ["/v1/files", f"/api/blobs/sha256:{hashlib.sha256(b'').hexdigest()}"])
def test_bytes_that_no_row_knows_are_not_kept(door: Served, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OperationalError("insert", {}, Exception("the disk is away"))

    monkeypatch.setattr(files, "add", broken)
    sent: dict[str, Any] = {"files": {"file": ("a", b"x")}} if path == "/v1/files" else {"content": b""}
    assert door.client.post(path, **sent).status_code == 503
    assert list(door.parts.store.local_path("file_00").parent.parent.rglob("file_*")) == []  # type: ignore[union-attr]
