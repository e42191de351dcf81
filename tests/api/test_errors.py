"""Every refusal has one shape, whoever refuses."""

from __future__ import annotations

import errno
import json
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest
from pydantic import ValidationError

from api.schemas.jobs import JobIn
from shared.db import Database
from tests.api.served import Served, serve

_FIELDS = {"code", "what", "why", "fix", "details", "message", "type", "param"}


def error(answer: Any) -> dict[str, Any]:
    body = answer.json()
    assert set(body) == {"error"}, body
    assert "Traceback" not in answer.text
    found: dict[str, Any] = body["error"]
    return found


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing", None, 404, "not_found"),
        ("GET", "/v1/jobs/", None, 404, "not_found"),
        ("PUT", "/v1/jobs", None, 405, "method_not_allowed"),
        ("GET", "/v1/jobs/job_none", None, 404, "not_found"),
        ("POST", "/v1/jobs/job_none/cancel", None, 404, "not_found"),
        ("POST", "/v1/jobs/job_none/retry", None, 404, "not_found"),
        ("GET", "/v1/jobs/job_none/events", None, 404, "not_found"),
        ("GET", "/v1/jobs/job_none/logs", None, 404, "not_found"),
        ("GET", "/v1/jobs/job_none/explain", None, 404, "not_found"),
        ("GET", "/v1/jobs/job_none/result", None, 404, "not_found"),
        ("GET", "/v1/runs/run_none", None, 404, "not_found"),
        ("DELETE", "/v1/runs/run_none", None, 404, "not_found"),
        ("GET", "/v1/hosts/none", None, 404, "not_found"),
        ("POST", "/v1/hosts/none/drain", None, 404, "not_found"),
        ("GET", "/v1/models/none", None, 404, "model_not_found"),
        ("DELETE", "/v1/models/none", None, 404, "model_not_found"),
        ("DELETE", "/v1/models/echo", None, 409, "conflict"),
        ("GET", "/v1/files/none", None, 404, "not_found"),
        ("GET", "/v1/files/none/content", None, 404, "not_found"),
        ("DELETE", "/v1/keys/none", None, 404, "not_found"),
        ("GET", "/v1/jobs?limit=0", None, 422, "invalid_parameters"),
        ("GET", "/v1/jobs?state=sleeping", None, 422, "invalid_parameters"),
        ("GET", "/v1/events?after=-1", None, 422, "invalid_parameters"),
        ("GET", f"/v1/events?after={2**70}", None, 422, "invalid_parameters"),
        ("POST", "/v1/jobs", {}, 422, "invalid_parameters"),
        ("POST", "/v1/jobs", [], 422, "invalid_parameters"),
        ("POST", "/v1/jobs", {"kind": 3}, 422, "invalid_parameters"),
        ("POST", "/v1/jobs", {"kind": "inference", "labels": {"": "x"}}, 422, "invalid_parameters"),
        ("POST", "/v1/jobs", {"kind": "inference", "max_failures": 0}, 422, "invalid_parameters"),
        ("POST", "/v1/jobs/bulk", {"jobs": []}, 422, "invalid_parameters"),
        ("POST", "/v1/runs", {"model": "none"}, 404, "not_found"),
        ("POST", "/v1/runs", {"model": "echo", "spec": {"slots": 0}}, 422, "invalid_parameters"),
        ("POST", "/v1/hosts/join", {"name": "Not A Host"}, 422, "invalid_parameters"),
        ("POST", "/v1/models/install", {"model": "no model at all"}, 422, "invalid_parameters"),
        ("POST", "/v1/keys", {"name": "x", "role": "king"}, 422, "invalid_parameters"),
        ("POST", "/worker/v1/claim", {}, 401, "unauthorized"),
    ],
)
def test_a_refusal_says_what_why_and_how_to_fix_it(
    door: Served, method: str, path: str, body: Any, status: int, code: str
) -> None:
    answer = door.client.request(method, path, json=body) if body is not None else door.client.request(method, path)
    found = error(answer)
    assert (answer.status_code, found["code"]) == (status, code), found
    assert set(found) == _FIELDS
    assert found["what"]
    assert found["why"]
    assert found["fix"]
    assert found["what"] in found["message"]


@pytest.mark.parametrize(
    ("content", "content_type", "says"),
    [
        (b"{", "application/json", "not JSON"),
        (b'{"kind": "inference", "params": {"x": NaN}}', "application/json", "Out of range"),
        (b'{"kind": "inference", "params": {"x": "\\ud800"}}', "application/json", "surrogates"),
        (b"kind=inference", "application/x-www-form-urlencoded", "Content-Type"),
        (b'{"kind": "\xff"}', "application/json", ""),
        (b"[" * 100_000, "application/json", ""),
    ],
)
def test_a_body_that_cannot_be_read_is_the_callers_mistake(
    door: Served, content: bytes, content_type: str, says: str
) -> None:
    answer = door.client.post("/v1/jobs", content=content, headers={"Content-Type": content_type})
    assert answer.status_code in (400, 422), answer.text
    assert says.lower() in error(answer)["message"].lower()


@pytest.mark.parametrize("path", ["/v1/jobs/a%00b", "/v1/models/a%00b", "/v1/hosts/%ED%A0%80", "/v1/files/%00"])
def test_odd_letters_in_a_path_find_nothing(door: Served, path: str) -> None:
    assert door.get(path).status_code in (400, 404, 422)


def test_a_field_that_does_not_exist_is_named_with_the_one_that_was_meant(door: Served) -> None:
    found = error(door.post("/v1/jobs", {"kind": "inference", "params": {}, "priorty": "low"}))
    assert (found["param"], found["why"]) == ("priorty", "there is no such field; did you mean priority")


def test_a_chat_client_reads_errors_as_openai_writes_them(door: Served) -> None:
    missing = door.post("/v1/chat/completions", {"model": "none", "messages": [{"role": "user", "content": "x"}]})
    assert (missing.status_code, set(error(missing))) == (404, {"message", "type", "param", "code"})
    assert error(missing)["code"] == "model_not_found"
    for body in ({}, {"model": "echo"}, {"model": 3, "messages": []}, {"model": "echo", "messages": []}):
        answer = door.post("/v1/chat/completions", body)
        assert (answer.status_code, error(answer)["type"]) == (400, "invalid_request_error")
    for content in (b"[]", b"{", b"\xff", b"[" * 100_000):
        answer = door.client.post("/v1/chat/completions", content=content)
        assert (answer.status_code, error(answer)["code"]) == (400, "bad_request")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(door: Served) -> None:
    with closing(HTTPConnection(door.url.removeprefix("http://"), timeout=60)) as connection:
        connection.putrequest("POST", "/v1/jobs")
        connection.putheader("Content-Length", str(10**12))
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, json.load(answer)["error"]["code"]) == (413, "payload_too_large")


def test_a_body_without_a_length_is_counted(tmp_path: Path, sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with serve(database, tmp_path, upload_limit="1MiB") as door:
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        pieces = (head if n == 0 else b"x" * 65536 for n in range(40))
        answer = door.client.post(
            "/v1/files", content=pieces, headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
        assert (answer.status_code, error(answer)["what"]) == (413, "The body is larger than 1.0 MiB")
        large = door.client.post("/v1/files", files={"file": ("x", b"x" * (1024 * 1024 + 1))})
        assert (large.status_code, error(large)["code"]) == (413, "payload_too_large")
        assert door.get("/v1/files").json()["data"] == []
        assert not list((tmp_path / "data" / "files").rglob("file_*"))
    database.close()


@pytest.mark.parametrize("path", ["/v1/files", "/v1/audio/transcriptions"])
def test_a_full_disk_is_not_the_callers_mistake(door: Served, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def full(file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SpooledTemporaryFile, "rollover", full)
    answer = door.client.post(path, files={"file": ("a.wav", b"x" * (2 << 20))}, data={"model": "echo"})
    assert (answer.status_code, error(answer)["code"]) == (503, "no_capacity"), answer.text
    assert "disk is full" in error(answer)["message"]
    assert answer.headers["retry-after"] == "1"


def test_a_database_that_is_not_set_up_says_so(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with serve(database, tmp_path) as door:
        answer = door.get("/v1/jobs")
        assert (answer.status_code, error(answer)["code"]) == (503, "unavailable")
        assert error(answer)["fix"] == "run: cidermill db upgrade"
        assert answer.headers["retry-after"] == "1"
        health = door.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "down")
        assert "cidermill_database_up 0.0" in door.get("/metrics").text
    database.close()


def test_a_database_that_went_away_is_a_503_and_comes_back(tmp_path: Path, sqlite_url: str) -> None:
    database = Database(sqlite_url)
    path = Path(str(database.url.database))
    with serve(database, tmp_path) as door:
        database.engine.dispose()
        aside = path.rename(path.with_suffix(".aside"))
        path.mkdir()
        for answer in (door.get("/v1/jobs"), door.post("/v1/jobs", {"kind": "inference", "params": {}})):
            assert answer.status_code in (422, 503), answer.text
        assert door.get("/v1/jobs").status_code == 503
        path.rmdir()
        aside.rename(path)
        assert door.get("/v1/jobs").status_code == 200
    database.close()


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/messages", "/api/chat", "/worker/v1/sync"])
def test_a_database_that_went_away_is_told_while_a_key_is_looked_up_too(
    tmp_path: Path, sqlite_url: str, path: str
) -> None:
    database = Database(sqlite_url)
    file = Path(str(database.url.database))
    with serve(database, tmp_path, require_keys=True) as door:
        database.engine.dispose()
        file.rename(file.with_suffix(".aside"))
        file.mkdir()
        answer = door.post(path, {}, headers={"Authorization": "Bearer ck_anything"})
        assert answer.status_code == (529 if path == "/v1/messages" else 503), answer.text
        assert answer.headers["retry-after"] == "1"
        assert "The database does not answer" in answer.text
    database.close()


def test_the_document_has_one_schema_for_each_kind_and_no_foreign_errors(door: Served) -> None:
    document = door.get("/openapi.json").json()
    schema = document["components"]["schemas"]["JobIn"]
    assert set(schema["discriminator"]["mapping"]) == {
        "benchmark", "download", "inference", "scan", "transcription", "transcriptions", "verify",
    }  # fmt: skip
    inference = document["components"]["schemas"]["InferenceJob"]
    assert inference["properties"]["kind"]["const"] == "inference"
    assert "prompt" in inference["properties"]["params"]["properties"]
    assert "HTTPValidationError" not in json.dumps(document)


@pytest.mark.parametrize("number", [2**70, -(2**70)])
def test_a_number_of_more_than_64_bits_is_the_callers_mistake(door: Served, number: int) -> None:
    body = {"kind": "inference", "params": {"model": "echo", "prompt": "x"}, "not_before": number}
    answer = door.post("/v1/jobs", body)
    assert (answer.status_code, error(answer)["code"]) == (422, "invalid_parameters")


@pytest.mark.parametrize("place", [(), ("labels",)])
def test_a_thousand_mistakes_are_one(place: tuple[str, ...]) -> None:
    many = {f"!{number}": "x" for number in range(2000)}
    with pytest.raises(ValidationError) as refused:
        JobIn.model_validate({"kind": "inference"} | ({place[0]: many} if place else many))
    assert refused.value.error_count() == 1
