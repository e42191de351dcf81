"""What real clients break on, on the wire: each rule is asked of a front door with a real engine behind it.

The tables hold one dialect or route a line, so that another one is another line; what needs an engine with a script is
in the tests of the dialects.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from typing import Any

import pytest

from shared import keys
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

_TEXT = "one two three"
_ASK = [{"role": "user", "content": _TEXT}]
_CHAT: dict[str, Any] = {"model": "echo", "messages": _ASK}
_MESSAGE: dict[str, Any] = _CHAT | {"max_tokens": 50}
#: A plain request of every route that asks a model.
_ROUTES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": _CHAT,
    "/v1/completions": {"model": "echo", "prompt": _TEXT},
    "/v1/embeddings": {"model": "echo", "input": _TEXT},
    "/v1/responses": {"model": "echo", "input": _TEXT},
    "/v1/messages": _MESSAGE,
    "/v1/messages?beta=true": _MESSAGE,
    "/anthropic/v1/messages": _MESSAGE,
    "/v1/messages/count_tokens?beta=true": _CHAT,
    "/api/chat": _CHAT,
    "/api/generate": {"model": "echo", "prompt": _TEXT},
    "/api/embed": {"model": "echo", "input": _TEXT},
    "/api/embeddings": {"model": "echo", "prompt": _TEXT},
}
#: What clients send beside it, and no engine has to know.
_EXTRAS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "service_tier": "auto", "store": True, "metadata": {"a": "b"}, "parallel_tool_calls": False, "user": "u",
        "tools": [], "tool_choice": None, "response_format": None, "stop": None, "seed": None, "logit_bias": {"1": -1},
        "stream_options": None, "temperature": None, "max_completion_tokens": 50, "unheard_of": {"x": [1]},
    },
    "/v1/completions": {"suffix": None, "best_of": None, "echo": None, "logit_bias": None, "user": "u"},
    "/v1/embeddings": {"dimensions": None, "user": "u", "encoding_format": None},
    "/v1/responses": {"store": True, "metadata": {}, "include": [], "truncation": "auto", "service_tier": "auto"},
    "/v1/messages": {
        "system": [{"type": "text", "text": "brief", "cache_control": {"type": "ephemeral"}}],
        "metadata": {"user_id": "u"}, "top_k": None, "stop_sequences": ["zz"], "thinking": {"type": "disabled"},
    },
    "/api/chat": {
        "tools": [], "format": "", "keep_alive": None, "think": None,
        "options": {"temperature": None, "seed": None, "num_ctx": None, "stop": None, "num_predict": 50, "mirostat": 1},
    },
    "/api/generate": {"suffix": "", "template": "", "system": "", "context": None, "images": None, "raw": False},
}  # fmt: skip


@pytest.fixture
def ready(door: Served, fleet: Fleet, engine: str) -> Served:
    """With runs that write and embed."""
    for capability in ("generate", "embed"):
        fleet.ready_run(engine, capability=capability)
    return door


def kind_of(path: str) -> str:
    """Whose errors a route answers with."""
    if path.startswith("/api/"):
        return "ollama"
    return "anthropic" if "/messages" in path else "openai"


def check_error(path: str, said: Any) -> None:
    """The shape of the route's dialect, and nothing of the framework's."""
    match kind_of(path):
        case "ollama":
            assert list(said) == ["error"]
            assert isinstance(said["error"], str)
        case "anthropic":
            assert set(said) == {"type", "error", "request_id"}
            assert (said["type"], set(said["error"])) == ("error", {"type", "message"})
        case _:
            assert set(said["error"]) >= {"message", "type", "param", "code"}
    assert "detail" not in said


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The name and the data of each server-sent event."""
    found = re.findall(r"event: (\S+)\ndata: (.*)\n\n", text)
    return [(name, json.loads(data)) for name, data in found]


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_the_content_type_does_not_matter(ready: Served, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    for path, body in _ROUTES.items():
        answer = ready.client.post(path, content=json.dumps(body).encode(), headers=headers)
        assert answer.status_code == 200, (path, answer.text)


def test_fields_that_nobody_needs_are_ignored(ready: Served) -> None:
    for path, extra in _EXTRAS.items():
        answer = ready.post(path, _ROUTES[path] | extra, headers={"anthropic-beta": "unheard-of-2099"})
        assert answer.status_code == 200, (path, answer.text)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"", b"\xff", b'{"model": 1}', b'{"model": "echo"}'])
def test_broken_requests_have_the_shape_of_their_dialect(ready: Served, body: bytes) -> None:
    # Ollama's chats and generations without a prompt load the model; embeddings of nothing have no vector.
    fine = {"/api/chat", "/api/generate", "/api/embed", "/api/embeddings"} if body == b'{"model": "echo"}' else set()
    for path in set(_ROUTES) - fine:
        answer = ready.client.post(path, content=body)
        assert answer.status_code == 400, (path, answer.text)
        check_error(path, answer.json())


def test_a_wrong_method_has_the_shape_of_its_dialect(door: Served) -> None:
    for path in _ROUTES:
        answer = door.client.put(path)
        assert answer.status_code == 405, path
        check_error(path, answer.json())


def test_a_model_that_is_nowhere_is_a_404_of_its_dialect(ready: Served) -> None:
    for path, body in _ROUTES.items():
        if "count_tokens" in path:
            continue
        answer = ready.post(path, body | {"model": "nobody/at:all"})
        assert answer.status_code == 404, (path, answer.text)
        check_error(path, answer.json())
        if kind_of(path) == "ollama":
            assert answer.json()["error"].startswith("model 'nobody/at:all' not found")


@pytest.mark.parametrize("path", ["/v1/messages", "/anthropic/v1/messages", "/v1/messages/batches/none"])
def test_anthropics_errors_name_the_request_as_the_headers_do(door: Served, path: str) -> None:
    answer = door.get(path) if "none" in path else door.post(path, {})
    assert answer.json()["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]


def test_keys_are_read_from_either_header_on_all_routes(open_door: Opener) -> None:
    door = open_door(host_name="studio", require_keys=True)
    with door.database.write() as session:
        secret = keys.create(session, "a client", "submit")[1]
    for path in _ROUTES:
        for headers in ({"Authorization": f"Bearer {secret}"}, {"x-api-key": secret}):
            assert door.post(path, [], headers=headers).status_code == 400, path
        for headers in ({}, {"Authorization": "Bearer ck_wrong"}, {"x-api-key": "ck_wrong"}):
            answer = door.post(path, [], headers=headers)
            assert answer.status_code == 401, (path, answer.text)
            check_error(path, answer.json())


def test_every_list_ends(ready: Served) -> None:
    anthropic = {"anthropic-version": "2023-06-01"}
    for path, headers in (
        ("/v1/files", {}), ("/v1/batches", {}), ("/v1/models", {}), ("/v1/models", anthropic),
        ("/v1/messages/batches", {}), ("/anthropic/v1/models", {}),
    ):  # fmt: skip
        said = ready.get(path, headers=headers).json()
        assert said["has_more"] is False, path
        assert {"first_id", "last_id"} <= set(said), path


@pytest.mark.parametrize("usage", [True, False])
def test_openais_chunks_have_all_that_clients_need(ready: Served, usage: bool) -> None:
    asked = {"stream": True} | ({"stream_options": {"include_usage": True}} if usage else {})
    *lines, done = ready.post("/v1/chat/completions", _CHAT | asked).text.strip().split("\n\n")
    assert done == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert all(chunk.get("system_fingerprint", "") is not None for chunk in chunks)
    totals = [chunk for chunk in chunks if not chunk["choices"]]
    assert [bool(chunk.get("usage")) for chunk in totals] == [True] * usage
    assert not usage or totals == chunks[-1:]
    choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    assert {choice["index"] for choice in choices} == {0}
    assert [choice["delta"].get("role") for choice in choices] == ["assistant"] + [None] * (len(choices) - 1)
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
    assert choices[-1]["delta"] == {}


def test_openais_whole_answers_have_all_that_clients_need(ready: Served) -> None:
    said = ready.post("/v1/chat/completions", _CHAT).json()
    assert (said["object"], said["choices"][0]["finish_reason"]) == ("chat.completion", "stop")
    assert said.get("system_fingerprint", "") is not None
    assert {"prompt_tokens", "completion_tokens", "total_tokens"} <= set(said["usage"])


def test_texts_and_token_ids_are_embedded_as_numbers_or_bytes(ready: Served) -> None:
    for given, many in (("a", 1), (["a", "b"], 2), ([1, 2], 1), ([[1, 2], [3]], 2)):
        asked = {"model": "echo", "input": given}
        plain = ready.post("/v1/embeddings", asked).json()
        packed = ready.post("/v1/embeddings", asked | {"encoding_format": "base64"}).json()
        assert len(plain["data"]) == len(packed["data"]) == many, given
        assert plain["usage"]["prompt_tokens"] > 0
        for one, other in zip(plain["data"], packed["data"], strict=True):
            raw = base64.b64decode(other["embedding"])
            assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(one["embedding"])


def test_anthropics_events_are_named_and_in_order(ready: Served) -> None:
    told = events(ready.post("/v1/messages", _MESSAGE | {"stream": True}).text)
    assert all(name == data["type"] for name, data in told)
    names = [name for name, _ in told if name != "ping"]
    deltas = ["content_block_delta"] * names.count("content_block_delta")
    ends = ["content_block_stop", "message_delta", "message_stop"]
    assert names == ["message_start", "content_block_start", *deltas, *ends]
    said = dict(told)
    message = said["message_start"]["message"]
    assert (message["content"], message["role"]) == ([], "assistant")
    assert message["usage"]["input_tokens"] > 0
    assert said["content_block_start"]["content_block"]["text"] == ""
    assert said["message_delta"]["usage"]["output_tokens"] > 0
    assert said["message_delta"]["delta"]["stop_reason"] == "end_turn"


def test_anthropics_messages_have_what_the_strictest_schema_wants(ready: Served) -> None:
    said = ready.post("/v1/messages", _MESSAGE).json()
    assert {
        "id",
        "type",
        "role",
        "model",
        "content",
        "stop_reason",
        "stop_sequence",
        "stop_details",
        "container",
    } <= set(said)
    assert set(said["usage"]) >= {
        "input_tokens", "output_tokens", "cache_creation", "cache_creation_input_tokens", "cache_read_input_tokens",
        "inference_geo", "output_tokens_details", "server_tool_use", "service_tier",
    }  # fmt: skip
    assert "citations" in said["content"][0]


@pytest.mark.parametrize(("path", "field"), [("/api/chat", "message"), ("/api/generate", "response")])
def test_ollamas_lines_have_no_nulls_and_end(ready: Served, path: str, field: str) -> None:
    written = ready.post(path, _ROUTES[path]).text
    assert written.endswith("\n")
    lines = [json.loads(line) for line in written[:-1].split("\n")]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    for line in lines:
        assert None not in line.values()
        assert line["model"] == "echo"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.?\d*Z", line["created_at"])
        text = line["message"]["content"] if field == "message" else line["response"]
        assert isinstance(text, str)
    durations = [value for name, value in lines[-1].items() if name.endswith("_duration")]
    assert len(durations) == 4
    assert all(isinstance(value, int) for value in [*durations, lines[-1]["eval_count"]])


def test_clients_look_before_they_ask(ready: Served) -> None:
    assert ready.get("/health").json()["status"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", ready.get("/api/version").json()["version"])
    for path in ("/", "/api/version", "/api/tags", "/v1/models", "/health"):
        head = ready.client.head(path)
        assert (head.status_code, head.content) == (200, b""), path
    [loaded] = [run for run in ready.get("/api/ps").json()["models"] if run["name"] == "echo:latest"][:1]
    assert {"expires_at", "size_vram", "context_length"} <= set(loaded)
