"""Whatever is sent to a dialect is answered in its own shape, and never by a mistake of ours."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from api.batches import keeper
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.fuzz.bodies import CONTENT_TYPES, ODD, written
from tests.fuzz.routes import ROUTES, Route, is_openai, is_own
from tests.waiting import eventually

_EXAMPLES = 25
_ODDLY = settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


@pytest.fixture
def ready(door: Served, fleet: Fleet, engine: str) -> Served:
    """A front door with runs of the echo engine that answer at once."""
    for capability in ("generate", "embed", "transcribe"):
        fleet.ready_run(engine, capability=capability)
    return door


def check(answer: httpx2.Response, right: Any) -> None:
    """Not our mistake, and an error that the dialect's clients can read."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"].startswith("application/json")
        assert right(answer.json()), answer.text
    assert "internal_error" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_odd_requests_are_answered_in_the_dialects_shape(ready: Served, route: Route) -> None:
    @_ODDLY
    @given(body=written(route.valid), content_type=CONTENT_TYPES)
    def tried(body: bytes, content_type: str) -> None:
        headers = {"Content-Type": content_type} if content_type else {}
        check(ready.client.request(route.method, route.path, content=body, headers=headers), route.check)

    tried()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_the_valid_request_is_no_odd_one(ready: Served, route: Route) -> None:
    answer = ready.client.request(route.method, route.path, content=json.dumps(route.valid).encode())
    fine = answer.status_code == 200 or answer.status_code == 404
    assert fine, answer.text


# A file in which a form is cut off is closed by Starlette only as its parser goes, at once, but with a warning.
@pytest.mark.filterwarnings("ignore:.*SpooledTemporaryFile.__del__:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/audio/translations", "/v1/files"])
def test_odd_forms_are_answered_in_the_dialects_shape(ready: Served, path: str) -> None:
    name = st.text(max_size=12) | st.sampled_from(["../x", "a\r\nb", '"', "\x00", "ü" * 300])
    fields = st.dictionaries(
        st.sampled_from(
            ["model", "language", "response_format", "temperature", "stream", "purpose", "timestamp_granularities[]"]
        )
        | st.text(min_size=1, max_size=6),
        st.text(max_size=12) | st.sampled_from(["echo", "json", "srt", "true", "nan", "1e999", "word"]),
        max_size=5,
    )

    @_ODDLY
    @given(fields=fields, name=name, content=st.binary(max_size=200), damage=st.integers(0, 4))
    def tried(fields: dict[str, str], name: str, content: bytes, damage: int) -> None:
        form = b"".join(
            b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (_bytes(key), _bytes(value))
            for key, value in fields.items()
        )
        form += b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n' % _bytes(name)
        form += content + b"\r\n--b--\r\n"
        sent = form[: len(form) * (4 - damage) // 4] if damage else form
        headers = {"Content-Type": "multipart/form-data" + ("" if damage == 3 else "; boundary=b")}
        check(ready.client.post(path, content=sent, headers=headers), is_own if path == "/v1/files" else is_openai)

    tried()


def test_odd_batch_files_end_in_an_answer(ready: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "_EVERY", 0.05)
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": ROUTES[0].valid}

    @_ODDLY
    @given(lines=st.lists(written(line), max_size=3), extra=ODD)
    def tried(lines: list[bytes], extra: Any) -> None:
        files = {"file": ("a.jsonl", b"\n".join([*lines, json.dumps(extra).encode()]))}
        made = ready.client.post("/v1/files", files=files, data={"purpose": "batch"}).json()
        asked = {"input_file_id": made["id"], "endpoint": "/v1/chat/completions"}
        shown = ready.post("/v1/batches", asked)
        assert shown.status_code == 200, shown.text
        path = f"/v1/batches/{shown.json()['id']}"
        eventually(lambda: ready.get(path).json()["status"] != "validating")
        check(ready.get(path), is_openai)

    tried()


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
