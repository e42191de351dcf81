"""The calls of VS Code's own chat and of Zed, as their sources make them: no registry has the editors themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.runtimes import Endpoint
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.clients.scripted_engine import Script, scripted_engine

_CHAT = "/v1/chat/completions"
#: Sent with every question; without a key nothing follows the first word.
_HEADERS = {"Authorization": "Bearer", "OpenAI-Intent": "conversation-agent", "X-GitHub-Api-Version": "2025-05-01"}
_READER = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Read the contents of a file.",
        "parameters": {
            "type": "object",
            "properties": {"filePath": {"type": "string"}, "startLine": {"type": "number"}},
            "required": ["filePath"],
        },
    },
}
_ASKED: dict[str, Any] = {
    "temperature": 0.1,
    "top_p": 1,
    "n": 1,
    "stream": True,
    "stream_options": {"include_usage": True},
    "tools": [_READER],
}
_OPENING: list[dict[str, Any]] = [
    {"role": "system", "content": "You are a programmer.", "copilot_cache_control": {"type": "ephemeral"}},
    {"role": "user", "content": [{"type": "text", "text": "What does note.txt say?"}], "copilot_references": []},
]

#: All that Zed says beside the talk: what is not set is null.
_ZED: dict[str, Any] = {
    "model": "echo:latest",
    "stream": True,
    "keep_alive": -1,
    "options": {"num_ctx": 4096, "num_predict": None, "stop": None, "temperature": 1.0, "top_p": None},
    "tools": [_READER],
    "think": None,
}


@pytest.fixture
def script(door: Served, fleet: Fleet, tmp_path: Path) -> Iterator[Script]:
    """The model `echo` on an engine that follows it."""
    script = Script(str(tmp_path / "note.txt"))
    with scripted_engine(script) as url:
        fleet.ready_run(served=Endpoint(url=url, served_name="scripted", slots=4, context=200_000))
        yield script


def test_vs_code_finds_the_models_that_can_use_its_tools(door: Served, fleet: Fleet) -> None:
    fleet.register()
    assert door.get("/api/version").json()["version"] != "0.0.0"
    (model,) = door.get("/api/tags").json()["models"]
    shown = door.post("/api/show", {"model": model["model"]}).json()
    assert "tools" in shown["capabilities"]
    assert shown["model_info"]["general.architecture"]
    assert [one["id"] for one in door.get("/v1/models", headers=_HEADERS).json()["data"]] == ["echo"]


@pytest.mark.parametrize("name", ["echo:latest", "echo"])
def test_vs_code_reads_a_file_by_its_tool(door: Served, script: Script, name: str) -> None:
    said = _streamed(door.post(_CHAT, {**_ASKED, "model": name, "messages": _OPENING}, headers=_HEADERS))
    (call,) = [part for one in said for part in one.get("tool_calls", ())]
    assert (call["index"], call["type"], call["function"]["name"]) == (0, "function", "read_file")
    assert json.loads(call["function"]["arguments"]) == {"filePath": script.path}

    called = {"role": "assistant", "content": "", "tool_calls": [call], "cot_id": "thought_1", "cot_summary": ""}
    read = {"role": "tool", "tool_call_id": call["id"], "content": [{"type": "text", "text": "number 4711"}]}
    messages = [*_OPENING, called, read]
    said = _streamed(door.post(_CHAT, {**_ASKED, "model": name, "messages": messages}, headers=_HEADERS))
    assert "".join(one.get("content") or "" for one in said) == "It says: number 4711"


@pytest.mark.parametrize("stream", [True, False])
def test_vs_code_is_told_why_a_model_is_not_there(door: Served, fleet: Fleet, stream: bool) -> None:
    fleet.register()
    asked = {**_ASKED, "stream": stream, "model": "ecko:latest", "messages": _OPENING}
    refused = door.post(_CHAT, asked, headers=_HEADERS)
    assert refused.status_code == 404
    assert "there are: echo" in refused.json()["error"]["message"]


def test_zed_reads_a_file_by_its_tool(door: Served, script: Script) -> None:
    listed = door.get("/api/tags", headers={"Accept": "application/json"}).json()["models"]
    assert [one["name"] for one in listed] == ["echo:latest"]
    question = {"role": "user", "content": "What does note.txt say?"}
    said = _lines(door.post("/api/chat", {**_ZED, "messages": [question]}))
    (call,) = [call for one in said for call in one["message"].get("tool_calls", ())]
    assert isinstance(call["id"], str)
    assert (call["function"]["name"], call["function"]["arguments"]) == ("read_file", {"filePath": script.path})

    # What it was told comes back without the id.
    called = {"role": "assistant", "content": "", "thinking": None, "tool_calls": [{"function": call["function"]}]}
    read = {"role": "tool", "tool_name": "read_file", "content": "number 4711"}
    said = _lines(door.post("/api/chat", {**_ZED, "messages": [question, called, read]}))
    assert "".join(one["message"]["content"] for one in said) == "It says: number 4711"


def _lines(answer: httpx2.Response) -> list[dict[str, Any]]:
    """One object for each line, the last of which tells what it took."""
    assert answer.status_code == 200, answer.text
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["done"] for one in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1]["prompt_eval_count"] > 0
    return lines


def _streamed(answer: httpx2.Response) -> list[dict[str, Any]]:
    """The deltas; the stream ends with a reason, the usage and the mark that it is over."""
    assert answer.status_code == 200, answer.text
    blocks = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert blocks.pop() == "[DONE]"
    chunks = [json.loads(block) for block in blocks]
    assert chunks.pop()["usage"]["total_tokens"] > 0
    assert chunks[-1]["choices"][0]["finish_reason"] in ("stop", "tool_calls")
    return [chunk["choices"][0]["delta"] for chunk in chunks]
