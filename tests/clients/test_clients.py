"""Real clients against a real model: every call of theirs that is served, whole and streamed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.environments import node_with, python_with
from tests.stack import Stack
from workers.runtimes import discover

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.model,
    pytest.mark.timeout(400),
    pytest.mark.skipif(discover()["llama-cpp"].probe() is None, reason="llama.cpp is not installed"),
]
_SCRIPTS = Path(__file__).parent / "scripts"
_HEARS = pytest.mark.skipif(discover()["whisper"].probe() is None, reason="faster-whisper is not installed")


@pytest.mark.parametrize("client", ["openai", "anthropic", "ollama"])
def test_a_client_of_python_works(stack: Stack, client: str) -> None:
    _run([str(python_with(client)), str(_SCRIPTS / f"{client}_client.py"), stack.url])


@pytest.mark.parametrize("client", ["openai", "ollama"])
def test_a_client_of_node_works(stack: Stack, client: str) -> None:
    _run([*_node(client, f"{client}_client.mjs"), stack.url])


@_HEARS
def test_a_client_of_python_transcribes(stack: Stack, recording: Path) -> None:
    _run([str(python_with("openai")), str(_SCRIPTS / "openai_audio.py"), stack.url, str(recording)])


@_HEARS
def test_a_client_of_node_transcribes(stack: Stack, recording: Path) -> None:
    _run([*_node("openai", "openai_audio.mjs"), stack.url, str(recording)])


#: What a model of 135 million parameters can be asked for: it sees no images, and calls tools when it likes.
_OPENAI = (
    "chat-basic-response",
    "chat-system-prompt",
    "chat-multi-turn",
    "chat-streaming-response",
    "chat-streaming-usage",
    "chat-error-handling",
)
_ANTHROPIC = (
    "anth-basic-response",
    "anth-system-prompt",
    "anth-multi-turn",
    "anth-streaming-response",
    "anth-streaming-usage",
    "anth-error-handling",
)


@pytest.mark.parametrize(("dialect", "checks"), [("openai-chat", _OPENAI), ("anthropic", _ANTHROPIC)])
def test_the_answers_comply_with_the_published_schemas(stack: Stack, dialect: str, checks: tuple[str, ...]) -> None:
    program = python_with("llm-comply").parent / "llm-comply"
    model = ["-k", "none", "-m", "smollm2", "--timeout", "120", "-f", ",".join(checks)]
    _run([str(program), "-u", f"{stack.url}/v1", *model, "--format", dialect])


def _node(package: str, name: str) -> list[str]:
    """Runs one of our scripts, from where Node finds the package: beside the script."""
    node, folder = node_with(package)
    script = folder / name
    script.write_text((_SCRIPTS / name).read_text())
    return [str(node), str(script)]


def _run(command: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_"))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
