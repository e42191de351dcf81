"""Real clients against a real model: every call of theirs that is served, whole and streamed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.environments import python_with, script_of_node
from tests.stack import Stack
from workers.runtimes import discover

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.model,
    pytest.mark.skipif(discover()["llama-cpp"].probe() is None, reason="llama.cpp is not installed"),
]
_SCRIPTS = Path(__file__).parent / "scripts"
_HEARS = pytest.mark.skipif(discover()["whisper"].probe() is None, reason="faster-whisper is not installed")


@pytest.mark.parametrize("client", ["openai", "anthropic", "ollama"])
def test_a_client_of_python_works(stack: Stack, client: str) -> None:
    _run([str(python_with(client)), str(_SCRIPTS / f"{client}_client.py"), stack.url])


@pytest.mark.parametrize(
    ("client", "package"), [("openai", "openai"), ("anthropic", "@anthropic-ai/sdk"), ("ollama", "ollama")]
)
def test_a_client_of_node_works(stack: Stack, client: str, package: str) -> None:
    _run([*script_of_node(_SCRIPTS / f"{client}_client.mjs", package), stack.url])


@_HEARS
def test_a_client_of_python_transcribes(stack: Stack, recording: Path) -> None:
    _run([str(python_with("openai")), str(_SCRIPTS / "openai_audio.py"), stack.url, str(recording)])


@_HEARS
def test_a_client_of_node_transcribes(stack: Stack, recording: Path) -> None:
    _run([*script_of_node(_SCRIPTS / "openai_audio.mjs", "openai"), stack.url, str(recording)])


@pytest.mark.parametrize("client", ["openai", "anthropic", "ollama"])
def test_a_client_of_python_shows_pictures(stack: Stack, picture: Path, client: str) -> None:
    _run([str(python_with(client)), str(_SCRIPTS / f"{client}_pictures.py"), stack.url, str(picture)])


@pytest.mark.parametrize("client", ["openai", "ollama"])
def test_a_client_of_node_shows_pictures(stack: Stack, picture: Path, client: str) -> None:
    _run([*script_of_node(_SCRIPTS / f"{client}_pictures.mjs", client), stack.url, str(picture)])


@pytest.mark.parametrize("client", ["openai", "anthropic", "ollama"])
def test_every_shape_of_answer_is_of_the_clients_own_types(stack: Stack, client: str) -> None:
    _run([str(python_with(client)), str(_SCRIPTS / f"{client}_shapes.py"), stack.url])


def test_the_ai_sdk_works_with_every_provider_of_our_dialects(stack: Stack) -> None:
    providers = ("@ai-sdk/anthropic", "@ai-sdk/openai", "@ai-sdk/openai-compatible", "ollama-ai-provider-v2")
    _run([*script_of_node(_SCRIPTS / "ai_sdk.mjs", "ai", *providers, "zod"), stack.url])


@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic", "open-responses"])
def test_the_answers_comply_with_the_published_schemas(stack: Stack, dialect: str) -> None:
    program = str(python_with("llm-comply").parent / "llm-comply")
    # The suite sets no limit, and by chance a small model goes on for long.
    stack.http.put("/v1/models/aliases/steady", json={"model": "seeing", "parameters": {"temperature": 0}})
    asked = ["-k", "none", "-m", "steady", "--timeout", "120", "--format", dialect, "--json"]
    told = _finished([program, "-u", f"{stack.url}/v1", *asked])
    failed = [one for one in json.loads(told.stdout)["results"] if one["status"] == "failed"]
    assert not failed, failed
    assert told.returncode == 0, told.stderr


def _run(command: list[str]) -> None:
    done = _finished(command)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


def _finished(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_"))}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
