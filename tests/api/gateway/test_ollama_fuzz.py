"""Whatever is sent to Ollama's routes is answered in Ollama's shape, and never by a mistake of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.fleet import Fleet
from tests.api.served import Served

_ODD: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("echo"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool"]) | _ODD},
    optional={
        "content": _ODD,
        "images": _ODD,
        "tool_calls": _ODD | st.lists(st.dictionaries(st.just("function"), _ODD)),
    },
)
_BODY = st.fixed_dictionaries(
    {"model": st.just("echo") | _ODD, "stream": st.booleans() | _ODD},
    optional={
        "name": _ODD, "messages": st.lists(_MESSAGE, max_size=3) | _ODD, "prompt": _ODD, "input": _ODD, "options": _ODD,
        "keep_alive": _ODD | st.from_regex(r"-?[0-9.]{1,5}(ms|s|m|h)?", fullmatch=True), "format": _ODD, "think": _ODD,
        "images": _ODD, "system": _ODD, "raw": _ODD, "from": _ODD, "files": _ODD, "parameters": _ODD, "source": _ODD,
        "destination": _ODD, "tools": _ODD,
    },
)  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show", "/api/copy", "/api/create"]
)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(body=_BODY)
def test_odd_requests_are_explained(door: Served, fleet: Fleet, engine: str, path: str, body: dict[str, Any]) -> None:
    if not door.get("/v1/runs").json()["data"]:
        for capability in ("generate", "embed"):
            fleet.ready_run(engine, capability=capability)
    answer = door.client.post(path, content=json.dumps(body).encode())
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert set(answer.json()) == {"error"}
        assert isinstance(answer.json()["error"], str)
